#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What happens to sessions, as a page with sallyport.js sees it: a ticket used twice, one of another server, one that
# nobody used in time; and a session that is ended while media flows by a tunnel and by ICE-TCP.
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

sessions_up chromium
sessions_make late pass - - '"ttl": 10'
expires=$(doors_json "$LAB_DIR/late.session" expires)
lab_profile a https-only
lab_profile b block-udp
sessions_make call pass lan-a -
sessions_ask begin call chromium chromium a trickle "$LAB_DIR/call.session" lan-a -
sessions_ask reach call tunnel ice-tcp
refused "a ticket used twice" call 1 "SallyportError 409 ticket_used"
sed 's/[^".]\{5\}"}/AAAAA"}/g' "$LAB_DIR/late.session" >"$LAB_DIR/foreign.session"
refused "a ticket that this server did not make" foreign 0 "SallyportError 401 bad_token"
sessions_delete call
sessions_ask silent call
refused "the ticket of a session that has ended" call 0 "SallyportError 404 no_such_session"
ok "no media after the session's end"
until [ "$(date +%s)" -gt "$expires" ]; do sleep 0.5; done
refused "a ticket that nobody used in time" late 0 "SallyportError 401 expired_token"
sessions_down
