#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Rendezvous sessions between two stock Chromium that nobody lets send UDP: by ICE-TCP on port 443, by gateways, and
# by one of each, in both STUN modes. No TURN, no relayed address.
# machine: shared

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

# token GATEWAY: into $LAB_DIR/token, where the next gateway finds it.
token() {
    (
        umask 077
        "$BUILD_DIR/sallyport-server" credentials --secret-file "$LAB_DIR/secret" --user "$1" --gateway "$1" \
            --host edge.test --json >"$LAB_DIR/gateway.json"
        doors_json "$LAB_DIR/gateway.json" token >"$LAB_DIR/token"
    )
}

# session NAME STUN A_GATEWAY B_GATEWAY: makes one, and a call of it ("null": no gateway).
session() {
    lab_host app curl -sf --max-time 5 --cacert "$LAB_DIR/ca.pem" -H "Authorization: Bearer $maker" \
        -d "{\"stun\": \"$2\", \"ends\": [{\"gateway\": \"*\"}, {\"gateway\": \"*\"}]}" https://edge.test/v1/sessions >"$LAB_DIR/session.json" ||
        fail "no session: $(cat "$LAB_DIR/session.json")"
    python3 - "$LAB_DIR/session.json" "$1" "$3" "$4" <<'PYTHON'
import json, sys
ends = json.load(open(sys.argv[1]))["ends"]
gateways = [None if name == "null" else name for name in sys.argv[3:]]
print(json.dumps({"name": sys.argv[2], "tickets": [e["ticket"] for e in ends], "gateways": gateways}))
PYTHON
}

doors_browsers chromium
lab_up
doors_server --listen-udp none --serve tunnel,ice-tcp,api,site --origin https://app.test --relay-ports none \
    --relay-ip 198.51.100.2
"$BUILD_DIR/sallyport-server" credentials --secret-file "$LAB_DIR/secret" --user app --scope session --json \
    >"$LAB_DIR/maker.json"
maker=$(doors_json "$LAB_DIR/maker.json" token)
for host in a b; do
    lab_profile "$host" https-only
    token "lan-$host"
    doors_gateway "$host"
done
doors_page
calls=$(for stun in pass early; do
    session "ice-tcp $stun" "$stun" null null
    session "gateways $stun" "$stun" lan-a lan-b
    session "gateway and ice-tcp $stun" "$stun" lan-a null
done | paste -sd, -)
node "$root/tests/support/session_calls.mjs" chromium "$(lab_ns a)" chromium "$(lab_ns b)" "$DOORS_PAGE" \
    https://edge.test "[$calls]" >"$LAB_DIR/calls.json" || {
    lab_show server
    fail "the browsers did not get through their calls"
}
python3 - "$LAB_DIR/calls.json" <<'PYTHON'
import json, sys

calls = json.load(open(sys.argv[1]))
assert len(calls) == 6, calls
for call in calls:
    for side in "ab":
        end = call[side]
        assert "error" not in end, f"{call['name']}, {side}: {end['error']}"
        by_gateway = call["name"].startswith("gateways") or side == "a" and "gateway" in call["name"]
        want = "udp 1" if by_gateway else "tcp 198.51.100.2:443"
        assert end["remote"].startswith(want), f"{call['name']}, {side}: {end['remote']}"
        print(f"{call['name']}, {side}: {end['remote']}, {end['ms']:.0f} ms", file=sys.stderr)
PYTHON
doors_no_udp
ok "six calls"
