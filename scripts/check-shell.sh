#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-shell.sh
#
# All shell scripts pass shellcheck.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_commands shellcheck=shellcheck
cd "$root"
{
    tree_files '*.sh'
    printf '.ci/run\0'
} | xargs -0 -n 4 -P "$(nproc)" shellcheck -x
