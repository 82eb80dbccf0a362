#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a page could publish: with the gateway as its only server, no candidate and no related address of
# either browser may name an address of this host or its LAN, and gathering is complete at once. They hide
# their own addresses behind mDNS names, so what is left would be our leak. Of what we say Chromium makes no
# server-reflexive candidate; Firefox makes one that is the relayed address. So it is wherever 192.0.2.1 is, on lo or on
# the interface of its own that scripts/local-address.sh makes. There Chromium has one socket more when the page may use
# the camera, and asks STUN servers on the internet from it as well: it must get an answer, or gathering takes a
# quarter of a minute longer than it did.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

# check BROWSER TRANSPORT
check() {
    node "$root/tests/support/gather.mjs" "$1" "$(lab_ns a)" "$DOORS_PAGE" \
        "$(doors_ice "turn:192.0.2.1:3478?transport=$2")" >"$LAB_DIR/gathered.json"
    python3 - "$LAB_DIR/gathered.json" "$1" "$2" <<'PYTHON'
import ipaddress, json, re, sys

gathered, browser, transport = json.load(open(sys.argv[1])), *sys.argv[2:]
assert gathered["complete"], "gathering did not complete"
assert gathered["gathered_ms"] < 3000, f"gathering took {gathered['gathered_ms']} ms"
local = [ipaddress.ip_network(n) for n in
         ("10.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24", "2001:db8:1::/64", "fe80::/10", "::1/128")]

def check(text, address):
    if address.endswith(".local"):
        return
    ip = ipaddress.ip_address(address)
    assert not any(ip in net for net in local), f"{browser}, {transport}: leaks {address}: {text}"

kinds = {}
for line in re.findall(r"candidate:.*", gathered["sdp"]) + [c["candidate"] for c in gathered["candidates"]]:
    words = line.split()
    if not words[1:]:
        continue
    kinds.setdefault(words[words.index("typ") + 1], set()).add((words[4], words[5]))
    check(line, words[4])
    if "raddr" in words:
        check(line, words[words.index("raddr") + 1])
assert "relay" in kinds, f"{browser}, {transport}: no relayed candidate, only {kinds}"
if browser == "chromium":
    assert "srflx" not in kinds, f"{browser}, {transport}: a server-reflexive candidate"
else:
    assert kinds.get("srflx", set()) <= kinds["relay"], f"{browser}, {transport}: {kinds}"
PYTHON
}

# all_of PLACE TRANSPORT...: of 192.0.2.1.
all_of() {
    local browser transport
    for browser in chromium firefox; do
        for transport in "${@:2}"; do
            check $browser "$transport"
        done
    done
    ok "192.0.2.1 is on $1: nobody's address gets out"
}

# A socket on 192.0.2.1 of its own, and no wait for it.
camera() {
    node "$root/tests/support/gather.mjs" --camera chromium "$(lab_ns a)" "$DOORS_PAGE" \
        '[{ "urls": "stun:198.51.100.2:3478" }]' >"$LAB_DIR/gathered.json"
    python3 - "$LAB_DIR/gathered.json" <<'PYTHON'
import json, sys

gathered = json.load(open(sys.argv[1]))
lines = [c["candidate"].split() for c in gathered["candidates"] if c["candidate"]]
assert any(words[4] == "192.0.2.1" and words[7] == "host" for words in lines), f"no socket on 192.0.2.1: {lines}"
assert any(words[7] == "srflx" for words in lines), f"no answer of the STUN server: {lines}"
assert gathered["complete"], "a socket on 192.0.2.1 waits for the STUN server's answer"
PYTHON
    ok "192.0.2.1 on an interface of its own: STUN servers answer there, too"
}

need_packages nftables
doors_browsers chromium firefox
lab_up
doors_server --listen-udp 198.51.100.2:3478 --relay-ports none --relay-ip 198.51.100.2
lab_profile a https-only
doors_gateway a
doors_page
all_of lo udp tcp
lab_host a "$root/scripts/local-address.sh" 2>"$LAB_DIR/local-address.err" || fail "$(cat "$LAB_DIR/local-address.err")"
all_of 0sallyport udp
lab_profile a open
camera
