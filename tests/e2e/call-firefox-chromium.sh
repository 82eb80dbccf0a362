#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Firefox and Chromium, both behind walls with a gateway each. Firefox calls, candidates follow the
# descriptions (trickle); then Chromium calls, and each description holds all candidates of its side.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

# call FROM TO [OPTION...]
call() {
    doors_call --a-browser "$1" --b-browser "$2" --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" \
        --a-ice "$ice" --b-ice "$ice" --seconds 5 "${@:3}"
    "$root/tests/support/blocked_call.py" "$LAB_DIR/call.json" || fail "$1 to $2 ${*:3}"
}

# trickled: candidates that the caller sent after its description.
trickled() {
    doors_json "$LAB_DIR/call.json" a trickled
}

doors_browsers firefox chromium
doors_two_blocked
call firefox chromium
[ "$(trickled)" -gt 0 ] || fail "no candidate followed its description"
call chromium firefox --no-trickle
[ "$(trickled)" = 0 ] || fail "$(trickled) candidates followed their description"
doors_no_udp
