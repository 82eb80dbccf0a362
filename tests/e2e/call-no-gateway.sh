#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two blocked Chromium and no gateway anywhere: both come by turns: on port 443, and meet in the server.
# machine: shared

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers chromium
lab_up
doors_server --listen-udp none --relay-ports none --relay-ip 198.51.100.2
lab_profile a https-only
lab_profile b https-only
ice=$(doors_ice "turns:edge.test:443?transport=tcp")
doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" --a-ice "$ice" --b-ice "$ice" --seconds 5
python3 - "$LAB_DIR/call.json" <<'PYTHON'
import json, sys

call = json.load(open(sys.argv[1]))
for side in (call["a"], call["b"]):
    assert side["video"]["frames_decoded"] >= 50, f"only {side['video']['frames_decoded']} frames"
    assert side["pair"]["local"]["relayProtocol"] == "tls", side["pair"]["local"]
PYTHON
for host in a b; do
    [ "$(lab_udp_crossed "$host")" = 0 ] || fail "UDP of $host crossed its firewall"
done
