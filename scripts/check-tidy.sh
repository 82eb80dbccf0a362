#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-tidy.sh [BUILD-DIR] [FILE...]
#
# clang-tidy, as .clang-tidy says, over all C files that a build compiles (default: build, which has
# to be configured), or over those that are named.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
    --help)
        usage
        exit 0
        ;;
    -*) die 2 "unknown option $1: allowed are a build folder and files, --help" ;;
esac
build=$(realpath -m "${1:-$root/build}")
shift || true
commands=$build/compile_commands.json
[ -r "$commands" ] || die 2 "no $commands: run scripts/build.sh first"
need_clang clang-tidy

# tidy FILE: its output only if there is something in it.
tidy() {
    local out
    out=$(clang-tidy -p "$1" --quiet --warnings-as-errors='*' "$2" 2>&1) || {
        grep -v 'warnings\? generated\.$' <<<"$out"
        return 1
    }
}
export -f tidy

if [ $# -gt 0 ]; then
    printf '%s\0' "$@"
else
    sed -n 's/^  "file": "\(.*\)",\{0,1\}$/\1\x00/p' "$commands" | tr -d '\n' | sort -zu
fi | xargs -0 -P "$(nproc)" -I {} bash -c 'tidy "$@"' tidy "$build" {}
