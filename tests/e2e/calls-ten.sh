#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Ten calls at once through one gateway, and through one more on the other side, both behind walls. Each must
# get picture and voice both ways, each by a relayed address of its own.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers chromium
doors_two_blocked
doors_page
node "$root/tests/support/many_calls.mjs" "${DOORS_PAGE%/*}/many.html" 10 "$(lab_ns a)" "$(lab_ns b)" "$ice" \
    >"$LAB_DIR/calls.json"
python3 - "$LAB_DIR/calls.json" <<'PYTHON'
import json, sys

calls = json.load(open(sys.argv[1]))
for name in "ab":
    side = calls[name]
    assert len(side) == 10 and calls["done"], f"not every call gave enough: {name}: {side}"
    assert all(c["state"] == "connected" for c in side), side
    for c in side:
        assert c["local"].startswith("relay 198.51.100.2:") and " 198.51.100.2:" in c["remote"], c
    assert len({c["local"] for c in side}) == 10, f"calls share an address: {side}"
PYTHON
doors_no_udp
[ "$(doors_metric sallyport_tunnels)" = 2 ] || fail "not one tunnel a gateway: $(doors_metric sallyport_tunnels)"
