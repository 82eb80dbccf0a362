#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# From createOffer to connected by rendezvous sessions, both STUN modes, beside the same call by TURN over TLS on Debian's coturn
# and beside the direct call on the same links: 30 ms each way between a caller and the server, in Chromium. Called by
# scripts/bench.sh, which says what comes out.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
# shellcheck source=tests/support/links.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/links.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"
set -euo pipefail

theirs=198.51.100.3
rows='[
    {"row": "same LAN", "walls": ["open", "open"], "gateways": [null, null], "one_lan": true},
    {"row": "gateway, gateway", "walls": ["https-only", "https-only"], "gateways": ["lan-a", "lan-b"]},
    {"row": "block-udp, block-udp", "walls": ["block-udp", "block-udp"], "gateways": [null, null]},
    {"row": "gateway, open", "walls": ["https-only", "open"], "gateways": ["lan-a", null]},
    {"row": "gateway, block-udp", "walls": ["https-only", "block-udp"], "gateways": ["lan-a", null]},
    {"row": "one gateway", "walls": ["https-only", "open"], "gateways": ["lan-a", "lan-a"], "one_lan": true}
]'
# session_gateway HOST: one there, by the name lan-HOST.
session_gateway() {
    (umask 077 && doors_token "lan-$1" --gateway "lan-$1" >"$LAB_DIR/token")
    doors_gateway "$1"
}

need_packages coturn iptables
need_browsers chromium
links_up
exec 3>&1 >&2
links_start delay=30ms
doors_server --demo --relay-ip 198.51.100.2 --listen-udp 198.51.100.2:3478 --max-demo-joins-per-second 1000
session_gateway a
session_gateway b
mapfile -t options < <(coturn_options $theirs 443)
lab_spawn edge coturn turnserver "${options[@]}"
coturn_wait $theirs lab_host edge
turn="[{\"urls\": \"turns:$theirs:443?transport=tcp\", \"username\": \"test\", \"credential\": \"test\"}]"
node "$root/tests/bench/session_calls.mjs" "$(lab_ns a)" "$(lab_ns b)" "$(lab_ns edge)" https://edge.test/demo/ \
    "$(doors_token bench --scope session)" "$turn" "${BENCH_ROUNDS:-7}" "$rows" >&3 || {
    lab_show server
    fail "the calls ended early"
}
