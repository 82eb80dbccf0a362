#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A page from the public internet, by HTTPS, in a Chromium that checks WebRTC's access to local networks: it
# uses no gateway on 127.0.0.1, and says nothing of it; but the one on 192.0.2.1, for a whole call: on an interface of
# its own (a) as on the loopback one (b). The policies that the README names open 127.0.0.1, too.
# machine: shared

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

checks=--enable-features=LocalNetworkAccessChecksWebRTC

# relays ADDRESS: how many relayed candidates the gateway there gives a page.
relays() {
    node "$root/tests/support/gather.mjs" chromium "$(lab_ns a)" "$DOORS_PAGE" \
        "$(doors_ice "turn:$1:3478?transport=udp")" $checks >"$LAB_DIR/gathered.json"
    python3 -c 'import json, sys; print(sum(" typ relay " in c["candidate"] for c in json.load(sys.stdin)["candidates"]))' \
        <"$LAB_DIR/gathered.json"
}

# policy NAME: a's Chromium is managed, and allows the page this. 'ip netns exec' lays the folder over /etc.
policy() {
    local folder
    folder=/etc/netns/$(lab_ns a)/chromium/policies/managed
    mkdir -p "$folder"
    printf '{"%s": ["https://app.test"]}\n' "$1" >"$folder/test.json"
}

need_packages nftables
doors_browsers chromium
doors_two_blocked
lab_host a "$root/scripts/local-address.sh" 2>"$LAB_DIR/local-address.err" || fail "$(cat "$LAB_DIR/local-address.err")"
doors_page
[ "$(relays 127.0.0.1)" = 0 ] || fail "Chromium used 127.0.0.1: does it check at all?"
doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" --a-ice "$ice" --b-ice "$ice" \
    --a-arg=$checks --b-arg=$checks --seconds 4
"$root/tests/support/blocked_call.py" "$LAB_DIR/call.json" || fail "the call"
doors_no_udp
for name in LoopbackNetworkAllowedForUrls LocalNetworkAccessAllowedForUrls; do
    policy $name
    [ "$(relays 127.0.0.1)" -gt 0 ] || fail "$name did not open 127.0.0.1"
done
