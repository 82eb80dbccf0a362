#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Both ends on one gateway: Chromium and Firefox on the same blocked host, told to use relays alone, so that
# what one page tells the other holds no address of the host. Their media goes through one tunnel and back.
# machine: shared

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers chromium firefox
doors_two_blocked
lab_stop gateway-b
doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns a)" --a-browser chromium --b-browser firefox \
    --a-ice "$ice" --b-ice "$ice" --a-policy relay --b-policy relay --seconds 5
"$root/tests/support/blocked_call.py" "$LAB_DIR/call.json" || fail "both on one gateway"
python3 - "$LAB_DIR/call.json" <<'PYTHON'
import json, sys

call = json.load(open(sys.argv[1]))
for side in (call["a"], call["b"]):
    assert side["candidates"], "no candidate at all"
    for c in side["candidates"]:
        assert c["type"] == "relay" and c["address"] == "198.51.100.2", c
        assert c["relatedAddress"] in ("198.51.100.2", "0.0.0.0"), c
PYTHON
crossed=$(lab_udp_crossed a)
[ "$crossed" = 0 ] || fail "$crossed UDP packets crossed the firewall"
hairpin=$(doors_metric sallyport_turn_hairpin_datagrams_total)
[ "$hairpin" -gt 300 ] || fail "only $hairpin datagrams went by hairpin"
