# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What README.md tells people to type, for tests that do it word for word. Source it, don't run it.

# readme_block HEADING NUMBER: the commands of that block under that heading; for edge.example the lab's edge.
readme_block() {
    local text
    text=$(awk -v heading="## $1" -v number="$2" '
        /^## / { inside = $0 == heading; next }
        inside && /^    / { if (!block) n++; block = 1; if (n == number) print substr($0, 5); next }
        { block = 0 }' "${BASH_SOURCE[0]%/*}/../../README.md")
    [ "$text" ] || return 1
    echo "${text//edge.example/edge.test}"
}
