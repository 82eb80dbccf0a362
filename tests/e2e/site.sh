#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a stranger gets: an ordinary web site by TLS 1.2 and 1.3. Nothing tells a wrong token, an expired one
# or a tunnel that is not there from a page that is not there.
# machine: shared
# sanitizers: yes
set -euo pipefail
# shellcheck source=tests/support/stranger.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/stranger.sh"

# ---- the site --------------------------------------------------------------------------------------------

page_length() {
    curl -sS --cacert "$LAB_DIR/ca.pem" -D "$LAB_DIR/head" "$@" https://edge.test/ -o "$LAB_DIR/body"
    wc -c <"$LAB_DIR/body"
}

pages() {
    local out length head_length
    out=$(curl -sS --cacert "$LAB_DIR/ca.pem" -w '%{http_version} %{http_code} %{content_type}' \
        -o "$LAB_DIR/body" https://edge.test/)
    [ "$out" = "1.1 200 text/html; charset=utf-8" ] || fail "GET / says $out"
    grep -q '<h1>' "$LAB_DIR/body" || fail "GET / shows no page"
    length=$(page_length)
    grep -qi "^content-length: $length" "$LAB_DIR/head" || fail "GET /: Content-Length is not $length"
    grep -qE '^Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} GMT' "$LAB_DIR/head" ||
        fail "GET /: no Date"
    ! grep -qi sallyport "$LAB_DIR/head" "$LAB_DIR/body" || fail "the site names us"
    page_length --head >/dev/null
    grep -v '^Date' "$LAB_DIR/head" >"$LAB_DIR/head-head"
    head_length=$(wc -c <"$LAB_DIR/head-head")
    page_length >/dev/null
    grep -v '^Date' "$LAB_DIR/head" | cmp -s - "$LAB_DIR/head-head" || fail "HEAD / has another head than GET /"
    answers 'HEAD / HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n' "200 OK" closed
    [ "$(ask tls 'HEAD / HTTP/1.1\r\nHost: e\r\n\r\n' | grep -c '<')" = 0 ] || fail "HEAD / has a body"
    [ "$head_length" -gt 100 ] || fail "HEAD / has nearly no head"
    ok "GET and HEAD of the page"
}

refusals() {
    local long
    long=$(printf 'X-Long: %020000d' 0)
    answers 'GET /no-such-page HTTP/1.1\r\nHost: e\r\n\r\n' "HTTP/1.1 404 Not Found" open
    answers 'DELETE / HTTP/1.1\r\nHost: e\r\n\r\n' "HTTP/1.1 405 Method Not Allowed" "Allow: GET, HEAD" open
    answers 'GET / HTTP/1.1\r\n\r\n' "HTTP/1.1 400 Bad Request" closed
    answers 'GET / HTTP/3.7\r\nHost: e\r\n\r\n' "HTTP/1.1 505 " closed
    answers 'GET / HTTP/1.1\r\nHost: e\r\nBad Header\r\n\r\n' "HTTP/1.1 400 Bad Request" closed
    answers "GET / HTTP/1.1\r\nHost: e\r\n$long\r\n\r\n" "HTTP/1.1 431 " closed
    answers "GET /${long// /} HTTP/1.1\r\nHost: e\r\n\r\n" "HTTP/1.1 414 " closed
    answers 'BREW / HTTP/1.1\r\nHost: e\r\n\r\n' "HTTP/1.1 501 Not Implemented" closed
    answers 'POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 99999999\r\n\r\n' "HTTP/1.1 413 " closed
    answers "complete nonsense, a line of it\r\n\r\n" "HTTP/1.1 400 Bad Request" closed
    answers '\0001\0002\0003\0004\0005\0006\0007\0010\0011\0012\0013\0014\0015\0016\0017' \
        "HTTP/1.1 400 Bad Request" closed
    answers 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' "HTTP/1.1 400 Bad Request" closed
    ok "what is wrong with a request is said as a web server says it"
}

connections() {
    local n
    answers 'GET / HTTP/1.1\r\nHost: e\r\n\r\n' "Connection: keep-alive" open
    answers 'GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n' "Connection: close" closed
    answers 'GET / HTTP/1.0\r\n\r\n' "200 OK" "Connection: close" closed
    answers 'POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\n\r\nhelloGET /x HTTP/1.1\r\nHost: e\r\n\r\n' \
        "HTTP/1.1 405 " "HTTP/1.1 404 " open
    answers 'POST / HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n' \
        "HTTP/1.1 405 " "Connection: close" closed
    for transport in tls tcp; do
        last_words=--last answers_by $transport 'GET / HTTP/1.1\r\nHost: e\r\n\r\nGET /x HTTP/1.1\r\nHost: e\r\n\r\n' \
            "HTTP/1.1 200 OK" "HTTP/1.1 404 " closed
    done
    n=$(ask tls "$(printf 'GET / HTTP/1.1\\r\\nHost: e\\r\\n\\r\\n%.0s' 1 2 3)" | grep -c '200 OK')
    [ "$n" = 3 ] || fail "$n answers to 3 requests in one piece"
    n=$(curl -sS --cacert "$LAB_DIR/ca.pem" -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' \
        https://edge.test/ https://edge.test/a https://edge.test/)
    [ "$n" = 100 ] || fail "curl made other than one connection for three pages: $n"
    ok "keep-alive, close and pipelining; who asks and says that this was all is answered"
}

# ---- the door --------------------------------------------------------------------------------------------

tokens() {
    local token stranger id=0000aabbccddeeff00112233445566778899
    token=$(cat "$LAB_DIR/token")
    (umask 077 && echo "another secret" >"$LAB_DIR/other-secret")
    stranger=$("$server_program" credentials --secret-file "$LAB_DIR/other-secret" --user alice --json |
        json token /dev/stdin)
    [[ $token == v1.* && $stranger == v1.* && $token != "$stranger" ]] || fail "what credentials are these?"
    answers "$(knock $door "$token")" "HTTP/1.1 101 Switching Protocols" "Upgrade: rfc4571" \
        "Sallyport-Tunnel: 00" # and whose it is
    like_a_missing_page "a plain visit" "GET $door HTTP/1.1\r\nHost: e\r\n\r\n"
    like_a_missing_page "no token" "$(knock $door "")"
    like_a_missing_page "a wrong token" "$(knock $door wrong)"
    like_a_missing_page "an altered token" "$(knock $door "${token%?}!")"
    like_a_missing_page "a token of another secret" "$(knock $door "$stranger")"
    like_a_missing_page "an expired token" "$(knock $door "$expired")"
    like_a_missing_page "an unknown tunnel" "$(knock $door "$token" "$id; lane=1")"
    like_a_missing_page "no tunnel at all" "$(knock $door "$token" nonsense)"
    like_a_missing_page "a lane too many" "$(knock $door "$token" "new; lane=99")"
    like_a_missing_page "a POST" "$(knock $door "$token" new POST)"
    like_a_missing_page "a tunnel without TLS" "$(knock $door "$token")" tcp
    like_a_missing_page "a huge token" "$(knock $door "v1.$(printf '%02000d' 0)")"
    [ "$(metric server http_upgrades_total)" = 1 ] || fail "$(metric server http_upgrades_total) upgrades"
    [ "$(metric server http_upgrades_refused_total)" -ge 5 ] || fail "refused upgrades are not counted"
    # Whoever was refused is still a visitor, and may try again on the same connection.
    answers "$(knock $door wrong)$(knock $door "$token")" "HTTP/1.1 404 " "HTTP/1.1 101 "
    ok "no wrong token can be told from a missing page; the right one opens a lane"
}

# ---- TLS -------------------------------------------------------------------------------------------------

# handshake OPTION...: what openssl says of it; and GET / by it.
handshake() {
    printf 'GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n' |
        timeout 10 openssl s_client -connect edge.test:443 -CAfile "$LAB_DIR/ca.pem" \
            -ign_eof "$@" 2>&1 || true
}

# shakes WANTED OPTION...: the handshake succeeds and says so; the page follows.
shakes() {
    local wanted=$1 got
    shift
    got=$(handshake "$@")
    [[ $got == *"$wanted"* ]] || fail "openssl s_client $*: no \"$wanted\" in $got"
    [[ $got == *"Verify return code: 0 (ok)"* && $got == *"200 OK"* ]] || fail "s_client $*: no page: $got"
}

handshakes() {
    local got old=(-cipher "DEFAULT@SECLEVEL=0")
    shakes "ALPN protocol: http/1.1" -alpn http/1.1
    shakes "ALPN protocol: stun.turn" -alpn stun.turn
    shakes "ALPN protocol: http/1.1" -alpn h2,http/1.1
    shakes "No ALPN negotiated"
    shakes "New, TLSv1.3" -tls1_3
    shakes "New, TLSv1.2" -tls1_2
    shakes "New, TLSv1.3" -noservername
    got=$(handshake -tls1_1 "${old[@]}")
    [[ $got == *"alert protocol version"* && $got == *"New, (NONE)"* ]] || fail "TLS 1.1 is not refused: $got"
    got=$(handshake -tls1_2 -cipher AES128-SHA)
    [[ $got == *"alert handshake failure"* ]] || fail "a cipher without forward secrecy is not refused: $got"
    [ "$(metric server connections_tls_failed_total)" -ge 2 ] || fail "failed handshakes are not counted"
    ok "TLS 1.2 and 1.3, ALPN http/1.1, stun.turn and none"
}

http2() {
    local got
    got=$(curl -sS --http2 --cacert "$LAB_DIR/ca.pem" -w '%{http_version} %{http_code}' -o /dev/null \
        https://edge.test/)
    [ "$got" = "1.1 200" ] || fail "curl --http2 says $got"
    got=$(printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' |
        timeout 5 openssl s_client -connect edge.test:443 -alpn h2 -ign_eof 2>&1) || fail "no end of HTTP/2 alone"
    [[ $got == *"No ALPN negotiated"* && $got == *"HTTP/1.1 400 "* ]] || fail "h2 alone: $got"
    ok "a client that prefers HTTP/2 gets HTTP/1.1; one that insists is not kept waiting"
}

# ---- what is served --------------------------------------------------------------------------------------

stun='\0000\0001\0000\0000\0041\0022\0244\0102abcdefghijkl'   # a Binding request
garbage='\0000\0001\0000\0000\0001\0002\0003\0004abcdefghijkl' # its like without the cookie

as_stun_server() {
    local got
    for transport in tls tcp; do
        got=$(ask "$transport" "$stun" | od -An -v -tx1 | tr -d ' \n')
        [[ $got == 0101* ]] || fail "STUN inside $transport is not answered: $got"
    done
    ok "STUN is answered by TLS and TCP on the same port"
}

invisible() {
    host_stop server
    server_udp=()
    server_start --relay-ip $edge4 --serve tunnel,site
    ! grep ' udp ' "$LAB_DIR/server.out" || fail "--serve tunnel,site listens by UDP"
    [ -z "$(ss -Hlun)" ] || fail "--serve tunnel,site has an UDP socket: $(ss -Hlun)"
    for transport in tls tcp; do
        [ "$(ask $transport "$stun" | od -c)" = "$(ask $transport "$garbage" | od -c)" ] ||
            fail "--serve tunnel,site: STUN inside $transport is not answered like garbage"
    done
    answers "$stun" "HTTP/1.1 400 Bad Request" closed
    answers "$(knock $door "$(cat "$LAB_DIR/token")")" "HTTP/1.1 101 "
    ok "--serve tunnel,site knows nothing of STUN"
}

without_site() {
    host_stop server
    server_start --relay-ip $edge4 --serve tunnel,turn
    answers 'GET / HTTP/1.1\r\nHost: e\r\n\r\n' "HTTP/1.1 404 Not Found"
    like_a_missing_page "a wrong token" "$(knock $door wrong)"
    host_stop server
    server_start --relay-ip $edge4 --serve turn,site
    like_a_missing_page "the right token where no tunnel is served" "$(knock $door "$(cat "$LAB_DIR/token")")"
    ok "--serve without site, and without tunnel"
}

# A connection that says nothing at all, and one that drips.
patience() {
    local seconds
    seconds=$(value seconds silent)
    [[ $seconds -ge 9 && $seconds -le 12 ]] || fail "a silent connection lived for $seconds s"
    ok "a connection that says nothing is closed after ten seconds"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up
expired=$(credentials alice --ttl 1 | json token /dev/stdin)
server_start --relay-ip $edge4
# shellcheck disable=SC2016
host_spawn silent bash -c 'exec 3<>"/dev/tcp/$0/443"; SECONDS=0; timeout 20 cat <&3; echo "seconds=$SECONDS"' $edge4
pages
refusals
connections
handshakes
http2
as_stun_server
tokens
lab_wait silent || true
patience
invisible
without_site
