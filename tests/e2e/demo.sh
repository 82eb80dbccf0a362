#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The demo page: two Chromium behind firewalls that let out nothing but TCP 443 meet in a room of the server, one by the
# gateway that the server finds by itself, the other one with nothing installed. Pictures of the pages go to
# SALLYPORT_DEMO_PICTURES, if that is a folder.
# machine: shared

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

doors_browsers chromium
lab_up
doors_server --demo --workers 2 --listen-udp none --relay-ports none --relay-ip 198.51.100.2
for host in a b; do
    lab_profile "$host" https-only
done
doors_gateway a

get() {
    lab_host b curl -s --max-time 5 --cacert "$LAB_DIR/ca.pem" "$@"
}
get -D "$LAB_DIR/page.head" https://edge.test/demo/ >"$LAB_DIR/page.html"
grep -qi "^content-security-policy: default-src 'none'" "$LAB_DIR/page.head" || fail "no policy: $(cat "$LAB_DIR/page.head")"
grep -q '<script type="module" src="/demo/main.js">' "$LAB_DIR/page.html" || fail "no page"
room="https://edge.test/demo/rooms/abcd-efgh?seat=0123456789abcdef"
[ "$(get -o /dev/null -w '%{http_code}' "$room")" = 404 ] || fail "a room is open to whom no page sent"
[ "$(get -o /dev/null -w '%{http_code}' -H "Origin: https://else.test" "$room")" = 404 ] ||
    fail "a room is open to another origin's page"
ok "the page, and its rooms for nobody else"

node "$root/tests/support/demo_call.mjs" chromium "$(lab_ns a)" chromium "$(lab_ns b)" https://edge.test/demo/ \
    "${SALLYPORT_DEMO_PICTURES-}" >"$LAB_DIR/demo.json" || {
    lab_show server
    fail "the two did not meet"
}
python3 - "$LAB_DIR/demo.json" <<'PYTHON'
import json, sys

said = json.load(open(sys.argv[1]))
a, b = said["a"], said["b"]
assert not said["violations"], said["violations"]
assert "through the gateway on this network" in a["path"] and "by ICE-TCP" in a["path"], a["path"]
assert "by ICE-TCP" in b["path"] and "through their gateway" in b["path"], b["path"]
for end, own in (a, "HTTPS :443"), (b, "ICE-TCP :443"):
    assert own in end["drawn"] and "sallyport server" in end["drawn"], end["drawn"]
    assert float(end["figures"]["out"]) > 0, end["figures"]
    print(end["path"], end["figures"], file=sys.stderr)
assert "your gateway" in a["drawn"] and "their gateway" in b["drawn"], (a["drawn"], b["drawn"])
PYTHON
ok "a call by a gateway and by ICE-TCP, and both pages say so"
doors_no_udp
[ "$(doors_metric sallyport_demo_meetings_total)" = 1 ] || fail "the meeting was not counted"
wait_until 10 test "$(doors_metric sallyport_sessions)" = 0 || fail "the session outlived its room"
ok "no UDP, and nothing is left of the session"
