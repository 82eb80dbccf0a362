#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a page could publish: with the gateway as its only server, no candidate and no related address of
# Chromium may name an address of this host or its LAN, and gathering is complete at once. Chromium hides
# its own addresses behind mDNS names, so what is left would be our leak.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers chromium
lab_up
doors_server --listen-udp none --serve tunnel,site --relay-ports none --relay-ip 198.51.100.2
lab_profile a https-only
doors_gateway a
doors_page
for transport in udp tcp; do
    node "$root/tests/support/gather.mjs" chromium "$(lab_ns a)" "$DOORS_PAGE" "$(doors_ice "turn:192.0.2.1:3478?transport=$transport")" \
        >"$LAB_DIR/gathered.json"
    python3 - "$LAB_DIR/gathered.json" "$transport" <<'PYTHON'
import ipaddress, json, re, sys

gathered, transport = json.load(open(sys.argv[1])), sys.argv[2]
assert gathered["complete"], "gathering did not complete"
assert gathered["gathered_ms"] < 3000, f"gathering took {gathered['gathered_ms']} ms"
local = [ipaddress.ip_network(n) for n in
         ("10.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24", "2001:db8:1::/64", "fe80::/10", "::1/128")]

def check(text, address):
    if address.endswith(".local"):
        return
    ip = ipaddress.ip_address(address)
    assert not any(ip in net for net in local), f"{transport}: leaks {address}: {text}"

kinds = set()
for line in re.findall(r"candidate:.*", gathered["sdp"]) + [c["candidate"] for c in gathered["candidates"]]:
    words = line.split()
    if not words[1:]:
        continue
    kinds.add(words[words.index("typ") + 1])
    check(line, words[4])
    if "raddr" in words:
        check(line, words[words.index("raddr") + 1])
assert "relay" in kinds, f"{transport}: no relayed candidate, only {kinds}"
assert "srflx" not in kinds, f"{transport}: a server-reflexive candidate"
PYTHON
done
