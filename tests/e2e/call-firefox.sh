#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Firefox as it comes, on both sides: each behind a firewall that lets out nothing but TCP 443, its gateway
# on 192.0.2.1. They must see each other, and no UDP may cross.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers firefox
doors_two_blocked
doors_call --a-browser firefox --b-browser firefox --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" \
    --a-ice "$ice" --b-ice "$ice" --seconds 5
"$root/tests/support/blocked_call.py" "$LAB_DIR/call.json" || fail "Firefox to Firefox"
doors_no_udp
