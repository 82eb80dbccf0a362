#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The main job: two Chromium, each behind a firewall that lets out nothing but TCP 443, a gateway beside
# each, a server without a single UDP socket. They must see each other, and no UDP may cross.
# sanitizers: yes

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

lab_up
doors_server --listen-udp none --serve tunnel,site --relay-ports none --relay-ip 198.51.100.2
for host in a b; do
    lab_profile "$host" https-only
    doors_gateway "$host"
done
ice=$(doors_ice "turn:192.0.2.1:3478?transport=udp")

doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" --a-ice "$ice" --b-ice "$ice" --seconds 6
python3 - "$LAB_DIR/call.json" <<'PYTHON'
import ipaddress, json, sys

call = json.load(open(sys.argv[1]))
for side in (call["a"], call["b"]):
    video, audio = side["video"], side["audio"]
    assert video["frames_decoded"] >= 60, f"only {video['frames_decoded']} frames in 6 s"
    assert audio["packets_received"] >= 200, f"only {audio['packets_received']} packets of audio"
    local, remote = side["pair"]["local"], side["pair"]["remote"]
    assert local["type"] == "relay" and local["address"] == "198.51.100.2", local
    assert remote["address"] == "198.51.100.2", remote
    assert side["gathered_ms"] < 3000, f"gathering took {side['gathered_ms']} ms"
    for c in side["candidates"]:
        assert c["type"] != "srflx", f"a server-reflexive candidate: {c['candidate']}"
        if c["type"] == "relay":
            for address in (c["address"], c["relatedAddress"]):
                assert not ipaddress.ip_address(address) in ipaddress.ip_network("10.0.0.0/8"), c
                assert address != "192.0.2.1" and not address.startswith("127."), c
PYTHON
for host in a b; do
    crossed=$(lab_udp_crossed "$host")
    refused=$(lab_udp_refused "$host")
    [ "$crossed" = 0 ] || fail "$crossed UDP packets of $host crossed its firewall"
    [ "$refused" -gt 0 ] || fail "$host's firewall refused no UDP: was it in the way at all?"
done
hairpin=$(doors_metric sallyport_turn_hairpin_datagrams_total)
[ "$hairpin" -gt 500 ] || fail "only $hairpin datagrams went by hairpin"
[ "$(doors_metric sallyport_turn_to_peer_datagrams_total)" = 0 ] || fail "something was relayed outside"
