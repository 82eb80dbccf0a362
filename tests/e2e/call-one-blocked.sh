#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One caller blocked, with a gateway; the other on an open network, without any of ours: it talks by plain
# UDP to the relayed address. Then the same caller blocked without a gateway: turns: on port 443.
# machine: shared

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

# check KIND: a's own candidate is a relayed one of that transport, b's a plain one of the open host.
check() {
    python3 - "$LAB_DIR/call.json" "$1" <<'PYTHON'
import json, sys

call, kind = json.load(open(sys.argv[1])), sys.argv[2]
for side in (call["a"], call["b"]):
    assert side["video"]["frames_decoded"] >= 50, f"only {side['video']['frames_decoded']} frames"
a, b = call["a"]["pair"], call["b"]["pair"]
assert a["local"]["type"] == "relay" and a["local"]["relayProtocol"] == kind, a["local"]
assert a["local"]["address"] == "198.51.100.2", a["local"]
assert a["remote"]["address"] == "198.51.100.3", a["remote"]
assert b["local"]["type"] in ("host", "prflx"), b["local"]
PYTHON
}

doors_browsers chromium
lab_up
doors_server --relay-ip 198.51.100.2 --allow-peer 198.51.100.3/32
lab_profile a https-only
doors_gateway a

doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns open)" --seconds 5 \
    --a-ice "$(doors_ice "turn:192.0.2.1:3478?transport=udp")"
check udp
[ "$(doors_metric sallyport_turn_to_peer_datagrams_total)" -gt 500 ] || fail "nothing was relayed by UDP"

lab_stop gateway-a
doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns open)" --seconds 5 \
    --a-ice "$(doors_ice "turns:edge.test:443?transport=tcp")"
check tls
crossed=$(lab_udp_crossed a)
[ "$crossed" = 0 ] || fail "$crossed UDP packets crossed a's firewall"
