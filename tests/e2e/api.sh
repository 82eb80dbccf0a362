#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The control API as applications use it: a back end and pages, by curl; what strangers get in its place; and 500
# sessions at once.
# sanitizers: yes
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/stranger.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/stranger.sh"

base=https://edge.test/v1
page=https://app.example
sessions=500

# call STATUS METHOD PATH TOKEN [CURL-ARGUMENT...]: the answer has that status; its head and body are in files.
call() {
    local wanted=$1 method=$2 path=$3 token=$4 status
    shift 4
    status=$(curl -sS --max-time 30 --cacert "$LAB_DIR/ca.pem" -X "$method" -D "$LAB_DIR/head" -o "$LAB_DIR/body" -w '%{http_code}' \
        ${token:+-H "Authorization: Bearer $token"} "$@" "$base$path")
    [ "$status" = "$wanted" ] || fail "$method $path: $status, not $wanted: $(cat "$LAB_DIR/body")"
}

# answer EXPRESSION: of the body, as Python has it.
answer() {
    python3 -c 'import json, sys; a = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$LAB_DIR/body" "a$1"
}

# says EXPRESSION VALUE
says() {
    local got
    got=$(answer "$1")
    [ "$got" = "$2" ] || fail "the answer says $1 = $got, not $2: $(cat "$LAB_DIR/body")"
}

# problem CODE [FIELD]
problem() {
    grep -qi '^content-type: application/problem+json' "$LAB_DIR/head" || fail "no problem document: $(cat "$LAB_DIR/head")"
    says "['code'] + ' ' + a.get('field', '')" "$1 ${2-}"
}

has_field() {
    grep -qi "^$1"$'\r'"\$" "$LAB_DIR/head" || fail "no \"$1\" in: $(cat "$LAB_DIR/head")"
}

# create [BODY]: id, ticket0 and ticket1
create() {
    call 201 POST /sessions "$maker" -d "${1-{\}}"
    id=$(answer "['id']") ticket0=$(answer "['ends'][0]['ticket']") ticket1=$(answer "['ends'][1]['ticket']")
}

# join STATUS TICKET HOLDER [MEMBERS]: as a page does
join() {
    call "$1" PUT /end "$2" -H "Origin: $page" -H "Content-Type: application/json" -d "{\"holder\":\"$3-of-this-end-here\"${4-}}"
}

# ---- sessions --------------------------------------------------------------------------------------------

a_session() {
    local began ended
    began=$(date +%s)
    create '{"ttl":60,"stun":"early"}'
    ended=$(date +%s)
    has_field "location: /v1/sessions/$id"
    says "['expires'] in range($began + 59, $ended + 62)" True
    join 200 "$ticket0" first ',"ufrag":"aaaa","password":"aaaaaaaaaaaaaaaaaaaaaa"'
    has_field "access-control-allow-origin: $page"
    says "['candidates']" "[{'protocol': 'udp', 'address': '198.51.100.2', 'port': 3478}, {'protocol': 'tcp', 'address': '198.51.100.2', 'port': 443}]"
    says "['stun']" early
    join 200 "$ticket1" second
    says "['end']" 1
    join 200 "$ticket1" second ',"ufrag":"bbbb"'
    call 200 GET "/sessions/$id" "$maker"
    says "['ends'][0]['joined'] and a['ends'][1]['joined']" True
    says "['direct']" False
    call 204 DELETE "/sessions/$id" "$maker"
    call 404 GET "/sessions/$id" "$maker"
    problem no_such_session
    ok "a session is made, joined by both, shown and ended"
}

mistakes() {
    create
    call 400 POST /sessions "$maker" -d '{"ttl":'
    problem malformed
    call 400 POST /sessions "$maker" -d '{"ttl":5}'
    problem bad_field /ttl
    call 400 POST /sessions "$maker" -d '{"ends":[{},{"gate":1}]}'
    problem bad_field /ends/1/gate
    join 400 "$ticket0" first ',"ufrag":"a:a"'
    problem bad_field /ufrag
    call 403 POST /sessions "$ticket0" -d '{}'
    problem wrong_scope Authorization
    call 403 GET "/gateways" "$(cat "$LAB_DIR/token")"
    problem wrong_scope Authorization
    call 404 GET /nothing "$maker"
    problem no_such_path
    call 405 GET /sessions "$maker"
    problem wrong_method
    has_field "allow: POST"
    call 411 POST /sessions "$maker" -H "Transfer-Encoding: chunked" -d '{}'
    problem no_length Content-Length
    head -c 5000 /dev/zero | tr '\0' ' ' >"$LAB_DIR/large"
    call 413 POST /sessions "$maker" --data-binary "@$LAB_DIR/large"
    problem too_large
    create '{"ends":[{"gateway":"nobody"},{}]}'
    join 503 "$ticket0" first ',"gateway":"nobody"'
    problem no_gateway /gateway
    has_field "retry-after: 5"
    ok "each mistake is told, with the field that it is in"
}

tickets() {
    local strange
    create
    join 200 "$ticket0" first
    join 409 "$ticket0" other
    problem ticket_used /holder
    create
    join 200 "$ticket0" other
    strange=$("$server_program" credentials --secret-file "$LAB_DIR/other-secret" --user app --scope session --json |
        json token /dev/stdin)
    join 401 "$strange" first
    problem bad_token Authorization
    join 401 "" first
    problem no_token Authorization
    join 401 "${ticket0%?????}AAAAA" first
    problem bad_token Authorization
    ok "a ticket used twice, and ones of another server or of nobody"
}

# Made at the start: by now its time is over.
expired() {
    local left=$(($1 - $(date +%s)))
    [ "$left" -lt 0 ] || sleep $((left + 1))
    join 401 "$2" late
    problem expired_token Authorization
    join 200 "$3" early ',"ufrag":"eeee"'
    call 401 POST /sessions "$short" -d '{}'
    problem expired_token Authorization
    ok "an expired ticket; who came in time goes on with his"
}

# Its name is whose token it has: "alice".
gateways() {
    call 200 GET /gateways "$maker"
    says "['gateways']" "[]"
    gateway_start --lanes 2
    call 200 GET /gateways "$maker"
    says "['gateways'][0]['name'] + ' ' + a['gateways'][0]['subject']" "alice alice"
    create '{"ends":[{"gateway":"alice"},{"gateway":"*"}]}'
    join 403 "$ticket0" first ',"gateway":"bob"'
    problem wrong_gateway /gateway
    join 200 "$ticket0" first ',"gateway":"alice"'
    says "['direct']" False
    says "['gateway']" alice
    says "['candidates'][0]['protocol']" udp
    [ "$(ss -Hlun "sport = :$(answer "['candidates'][0]['port']")" | wc -l)" -gt 0 ] || fail "the gateway has no such port: $(cat "$LAB_DIR/body")"
    join 200 "$ticket1" second ',"gateway":"alice"'
    says "['direct']" True
    says "['candidates']" "[]"
    call 200 GET "/sessions/$id" "$maker"
    says "['direct']" True
    call 204 DELETE "/sessions/$id" "$maker"
    host_stop gateway
    create '{"ends":[{"gateway":"alice"},{}]}'
    join 403 "$ticket1" second ',"gateway":"alice"'
    problem wrong_gateway /gateway
    join 503 "$ticket0" first ',"gateway":"alice"'
    problem no_gateway /gateway
    has_field "retry-after: 5"
    ok "a gateway opens an end on its LAN; the other end on the same one is direct; one that has gone is not there"
}

# ---- who may ask -----------------------------------------------------------------------------------------

# as_site WHAT FIELDS [METHOD]: such a request gets what the same request for any other page gets.
as_site() {
    local rest="HTTP/1.1\r\nHost: edge.test\r\n$2Content-Length: 2\r\n\r\n{}" answers i path
    local paths=(v2/sessions v1/sessions v1/end v1/gateways v1/nothing v1/sessions/000000000000000000000000000000000000)
    mapfile -d '' -t answers < <(for path in "${paths[@]}"; do printf '%b\0' "${3-POST} /$path $rest"; done |
        "$support/raw.py" --each tls $edge4 443 | without_date)
    [ ${#answers[@]} = ${#paths[@]} ] || fail "$1: ${#answers[@]} answers to ${#paths[@]} requests"
    for i in "${!paths[@]}"; do
        [[ ${answers[i]} == "${answers[0]}" && ${answers[i]} == "HTTP/1.1 404 "* ]] ||
            fail "$1, ${paths[i]}: not as the site answers: ${answers[i]}"
    done
}

strangers() {
    local bearer="Authorization: Bearer $maker\r\n" evil="Origin: https://evil.example\r\n"
    as_site "no token" ""
    as_site "no token, GET" "" GET
    as_site "a token of nobody" "Authorization: Bearer ${maker%???}AAA\r\n"
    as_site "a page of another origin" "$evil"
    as_site "a page of another origin with a token" "$evil$bearer"
    as_site "no origin that is one" "Origin: null\r\n$bearer"
    as_site "a preflight of another origin" "${evil}Access-Control-Request-Method: PUT\r\n" OPTIONS
    as_site "a preflight of no origin" "Access-Control-Request-Method: PUT\r\n" OPTIONS
    [ "$(ask tcp "GET /v1/gateways HTTP/1.1\r\nHost: e\r\n$bearer\r\n" | head -c 12)" = "HTTP/1.1 404" ] ||
        fail "the API answers without TLS"
    ok "strangers meet the site, byte for byte, preflights included"
}

pages() {
    call 204 OPTIONS /end "" -H "Origin: $page" -H "Access-Control-Request-Method: PUT" \
        -H "Access-Control-Request-Headers: authorization,content-type"
    has_field "access-control-allow-origin: $page"
    has_field "access-control-allow-methods: PUT"
    has_field "access-control-allow-headers: Authorization, Content-Type"
    has_field "vary: Origin"
    [ ! -s "$LAB_DIR/body" ] || fail "a preflight has a body"
    ok "a page of --origin may ask, and its browser is told so"
}

connections() {
    local n
    n=$(curl -sS --cacert "$LAB_DIR/ca.pem" -H "Authorization: Bearer $maker" -d '{}' -o /dev/null -o /dev/null \
        -w '%{num_connects}' "$base/sessions" "$base/sessions")
    [ "$n" = 10 ] || fail "curl made other than one connection for two sessions: $n"
    call 201 POST /sessions "$maker" -H "Expect: 100-continue" -d '{}'
    answers "POST /v1/sessions HTTP/1.1\r\nHost: e\r\nAuthorization: Bearer $maker\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{" \
        "HTTP/1.1 100 Continue"
    answers "POST /v1/sessions HTTP/1.1\r\nHost: e\r\nAuthorization: Bearer $maker\r\nContent-Length: 2\r\n\r\n{}GET /x HTTP/1.1\r\nHost: e\r\n\r\n" \
        "HTTP/1.1 201 Created" "HTTP/1.1 404 Not Found" open
    ok "requests behind each other on one connection, and a body that is waited for"
}

# patient TICKET: joins, and says more a minute later by the same connection, as a page does whose user waits for a call.
patient() {
    python3 - edge.test "$LAB_DIR/ca.pem" "$1" <<'PYTHON'
import http.client, json, ssl, sys, time

host, ca, ticket = sys.argv[1:]
edge = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=ca), timeout=30)
edge.auto_open = 0
edge.connect()
for ufrag in "ffff", "gggg":
    edge.request("PUT", "/v1/end", json.dumps({"holder": "patient-of-this-end", "ufrag": ufrag}), {"Authorization": f"Bearer {ticket}"})
    answer = edge.getresponse()
    assert answer.status == 200, answer.status
    answer.read()
    if ufrag == "ffff":
        time.sleep(65)
PYTHON
}

# ---- many ------------------------------------------------------------------------------------------------

many() {
    local before got
    before=$(metric server sessions)
    got=$("$support/many_sessions.py" edge.test "$LAB_DIR/ca.pem" "$maker" $sessions) || fail "they were not all made"
    [ "$got" = "ids=$sessions POST_201=$sessions PUT_200=$((2 * sessions))" ] || fail "of $sessions sessions: $got"
    [ "$(metric server sessions)" = $((before + sessions)) ] ||
        fail "$(metric server sessions) sessions, not $((before + sessions))"
    [ "$(metric server workers_connections_total)" -gt 0 ] || fail "no request went to the worker of its session"
    ok "$sessions sessions at once, and their $((2 * sessions)) ends are joined at whichever worker"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up
(umask 077 && echo "another secret" >"$LAB_DIR/other-secret")
maker=$(credentials app --scope session | json token /dev/stdin)
short=$(credentials app --scope session --ttl 1 | json token /dev/stdin)
server_start --relay-ip $edge4 --workers 2 --session-idle 600 --serve tunnel,turn,ice-tcp,api,site --origin https://other.example --origin $page
create '{"ttl":10}'
over=$(answer "['expires']") in_time=$ticket0 late=$ticket1
join 200 "$in_time" early ',"ufrag":"dddd"'
create '{"ttl":600}'
patient "$ticket0" &
waits=$!
a_session
mistakes
tickets
strangers
pages
connections
gateways
expired "$over" "$late" "$in_time"
many
wait $waits || fail "who joined a minute ago needs another connection"
ok "a page's connection is there when it has more to say, a minute later"
host_stop server
server_start --relay-ip $edge4
as_site "a good token where no API is served" "Authorization: Bearer $maker\r\n"
ok "without --serve api there is none"
