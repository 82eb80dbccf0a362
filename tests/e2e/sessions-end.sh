#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What happens to sessions, as a page with sallyport.js sees it: a ticket used twice, one that was changed, one of another
# server, one of another session, one that nobody used in time; and a session that is ended while media flows by a tunnel and by ICE-TCP.
# machine: shared

# shellcheck source=tests/support/sessions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/sessions.sh"
set -euo pipefail

# refused WHAT NAME END WANTED: why Chromium on a can't take that end of a session.
refused() {
    sessions_ask refused a chromium "$LAB_DIR/$2.session" "$3"
    [ "$answer" = "$4" ] || fail "$1: '$answer', not '$4'"
    ok "$1: $answer"
}

# A server of somebody else, with a secret of its own; what its API says of a session is in $LAB_DIR/other.session.
other_server() {
    local token
    (umask 077 && openssl rand -hex 32 >"$LAB_DIR/other-secret")
    lab_spawn open other "$BUILD_DIR/sallyport-server" --listen 198.51.100.3:443 --listen-udp none --admin none --realm edge.test \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/other-secret" --serve api,site \
        --origin https://edge.test --relay-ports none --relay-ip 198.51.100.3
    lab_wait_ready other
    "$BUILD_DIR/sallyport-server" credentials --secret-file "$LAB_DIR/other-secret" --user app --scope session --json \
        >"$LAB_DIR/made.json"
    token=$(doors_json "$LAB_DIR/made.json" token)
    lab_host app curl -sf --max-time 10 --cacert "$LAB_DIR/ca.pem" --connect-to edge.test:443:198.51.100.3:443 \
        -H "Authorization: Bearer $token" -d "{}" -o "$LAB_DIR/other.session" https://edge.test/v1/sessions || fail "no other session"
}

sessions_up chromium
other_server
sessions_make late pass - - '"ttl": 10'
expires=$(doors_json "$LAB_DIR/late.session" expires)
lab_profile a https-only
lab_profile b block-udp
sessions_make call pass lan-a -
sessions_ask begin call chromium chromium a trickle "$LAB_DIR/call.session" lan-a -
sessions_ask reach call tunnel ice-tcp
refused "a ticket used twice" call 1 "SallyportError 409 ticket_used"
sed 's/[^".]\{5\}"}/AAAAA"}/g' "$LAB_DIR/late.session" >"$LAB_DIR/changed.session"
refused "a ticket that somebody changed" changed 0 "SallyportError 401 bad_token"
refused "a ticket of another server" other 0 "SallyportError 401 bad_token"
# Its holder is an end of that session, whatever he says to whom: of this one he learns nothing.
sessions_make one pass lan-a -
sessions_make two pass - -
python3 - "$LAB_DIR" <<'PYTHON'
import json, sys

one, two = (json.load(open(f"{sys.argv[1]}/{name}.session")) for name in ("one", "two"))
json.dump({"ends": [one["ends"][0], two["ends"][1]]}, open(f"{sys.argv[1]}/mixed.session", "w"))
PYTHON
connected=$(doors_metric sallyport_sessions_connected_total)
sessions_ask begin mixed chromium chromium a trickle "$LAB_DIR/mixed.session" lan-a -
sessions_ask apart mixed
[ "$(doors_metric sallyport_sessions_connected_total)" = "$connected" ] || fail "ends of two sessions were connected"
[ "$(doors_metric sallyport_ends_ice_tcp_unknown_total)" -gt 0 ] || fail "whoever has the other ticket did not come at all"
sessions_ask end mixed
ok "tickets of two sessions do not meet"
sessions_delete call
sessions_ask silent call
refused "the ticket of a session that has ended" call 0 "SallyportError 404 no_such_session"
ok "no media after the session's end"
until [ "$(date +%s)" -gt "$expires" ]; do sleep 0.5; done
refused "a ticket that nobody used in time" late 0 "SallyportError 401 expired_token"
sessions_down
