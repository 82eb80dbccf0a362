#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-format.sh [--fix]
#
# Is all C code formatted as .clang-format says? With --fix: make it so.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
    "") mode=(--dry-run --Werror) ;;
    --fix) mode=(-i) ;;
    --help)
        usage
        exit 0
        ;;
    *) die 2 "unknown option $1: allowed are --fix, --help" ;;
esac
need_clang clang-format
cd "$root"
tree_files '*.c' '*.h' | xargs -0 clang-format "${mode[@]}"
