#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job: two Chromium, each behind a firewall that lets out nothing but TCP 443, a gateway beside
# each, a server without a single UDP socket. They must see each other, and no UDP may cross.
# sanitizers: yes

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers chromium
doors_two_blocked
doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" --a-ice "$ice" --b-ice "$ice" --seconds 6
"$root/tests/support/blocked_call.py" "$LAB_DIR/call.json" || fail "Chromium to Chromium"
python3 - "$LAB_DIR/call.json" <<'PYTHON'
import json, sys

call = json.load(open(sys.argv[1]))
for side in (call["a"], call["b"]):
    assert side["gathered_ms"] < 3000, f"gathering took {side['gathered_ms']} ms"
    for c in side["candidates"]:
        assert c["type"] != "srflx", f"a server-reflexive candidate: {c['candidate']}"
PYTHON
doors_no_udp
hairpin=$(doors_metric sallyport_turn_hairpin_datagrams_total)
[ "$hairpin" -gt 500 ] || fail "only $hairpin datagrams went by hairpin"
[ "$(doors_metric sallyport_turn_to_peer_datagrams_total)" = 0 ] || fail "something was relayed outside"
