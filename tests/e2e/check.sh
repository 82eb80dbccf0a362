#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `sallyport-client check` on networks that let through more and less, with the right and the wrong CA, token, name
# and port: what it says of each step, what it advises, and its exit status. It leaves nothing at the server.
# machine: shared
# sanitizers: yes

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
set -euo pipefail

server=https://edge.test

# check WANTED [OPTION...]: the report as JSON is in $LAB_DIR/check; its exit status has to be that.
check() {
    local wanted=$1 status=0
    shift
    timeout 40 ip netns exec "$(lab_ns a)" "$BUILD_DIR/sallyport-client" check --json --token-file "$LAB_DIR/token" "$@" \
        >"$LAB_DIR/check" 2>"$LAB_DIR/check.err" || status=$?
    [ "$status" = "$wanted" ] || fail "check $*: status $status: $(cat "$LAB_DIR/check" "$LAB_DIR/check.err")"
    [ ! -s "$LAB_DIR/check.err" ] || fail "check $*: $(cat "$LAB_DIR/check.err")"
    ! grep -qF -f "$LAB_DIR/token" "$LAB_DIR/check" || fail "the token is printed"
}

# rows server|host: "NAME:STATUS ..." of the first server, or of this host.
rows() {
    python3 -c 'import json, sys
c = json.load(open(sys.argv[1]))
part = c["servers"][0] if sys.argv[2] == "server" else c["host"]
print(*(row["check"] + ":" + row["status"] for row in part["checks"]))' "$LAB_DIR/check" "$1"
}

# finds WANTED: the rows of the server are these.
finds() {
    [ "$(rows server)" = "$1" ] || fail "$what: $(rows server)$(printf '\n'; cat "$LAB_DIR/check")"
}

# says TEXT...: each stands in the report.
says() {
    local text
    for text; do
        grep -qF -- "$text" "$LAB_DIR/check" || fail "$what: no \"$text\" in $(cat "$LAB_DIR/check")"
    done
}

networks() {
    what="open"
    lab_profile a open
    check 0 --server $server --ca "$LAB_DIR/ca.pem"
    finds "name:ok proxy:ok connect:ok tls:ok tunnel:ok udp:ok"
    # Through its NAT: by which address, and at which of the server's.
    says "edge.test is 198.51.100.2" "198.51.100.2:443 took the connection" "198.51.100.2:3478 answers, and sees 198.51.100.11:" \
        "TLSv1.3; the certificate for edge.test" "the token is accepted" '"works": true'
    [ "$(rows host)" = "address:ok listen:ok listen:ok listen:ok listen:ok" ] || fail "$what: $(rows host)"
    ok "$what"
    for what in block-udp https-only; do
        lab_profile a $what
        check 0 --server $server --ca "$LAB_DIR/ca.pem"
        finds "name:ok proxy:ok connect:ok tls:ok tunnel:ok udp:blocked"
        says "no answer from 198.51.100.2:3478" "the tunnel is for networks like this"
        ok "$what"
    done
    what="a port that is not let out"
    check 1 --server $server:8443 --ca "$LAB_DIR/ca.pem"
    finds "name:ok proxy:ok connect:blocked tls:skipped tunnel:skipped udp:blocked"
    says "name it with --proxy" '"works": false'
    what="a second server"
    check 0 --server $server:8443 --server $server --ca "$LAB_DIR/ca.pem"
    ok "a port that is not let out; alone, and beside one that is"
}

wrong() {
    lab_profile a open
    what="a CA that is not known"
    check 1 --server $server
    finds "name:ok proxy:ok connect:ok tls:problem tunnel:skipped udp:ok"
    says "is signed by" "reads your traffic"
    what="a token of another secret"
    (umask 077 && echo "quite another secret, and a long one" >"$LAB_DIR/other-secret" &&
        "$BUILD_DIR/sallyport-server" credentials --secret-file "$LAB_DIR/other-secret" --user alice --json >"$LAB_DIR/other.json" &&
        doors_json "$LAB_DIR/other.json" token >"$LAB_DIR/other-token")
    check 1 --server $server --ca "$LAB_DIR/ca.pem" --token-file "$LAB_DIR/other-token"
    finds "name:ok proxy:ok connect:ok tls:ok tunnel:problem udp:ok"
    says "wrong path, or the token was refused"
    what="a name that is none"
    check 1 --server https://nowhere.test --ca "$LAB_DIR/ca.pem"
    finds "name:blocked proxy:ok connect:blocked tls:skipped tunnel:skipped udp:skipped"
    what="a proxy that is not there"
    check 1 --server $server --ca "$LAB_DIR/ca.pem" --proxy http://198.51.100.3:3128
    finds "name:ok connect:blocked proxy:skipped tls:skipped tunnel:skipped udp:ok"
    says "the proxy's name and port"
    ok "a wrong CA, token, name, proxy"
}

# The same for people, and beside a gateway that runs; then nothing is left but that gateway's tunnel.
beside_a_gateway() {
    doors_gateway a
    what="beside a gateway"
    check 0 --server $server --ca "$LAB_DIR/ca.pem"
    [ "$(rows host)" = "address:ok listen:problem listen:problem listen:problem listen:problem" ] || fail "$what: $(rows host)"
    says "a gateway may run already"
    lab_host a "$BUILD_DIR/sallyport-client" check --server $server --ca "$LAB_DIR/ca.pem" --token-file "$LAB_DIR/token" \
        >"$LAB_DIR/check" || fail "$what: $(cat "$LAB_DIR/check")"
    [ "$(head -n 1 "$LAB_DIR/check")" = "$server" ] || fail "$what: $(cat "$LAB_DIR/check")"
    [ "$(tail -n 1 "$LAB_DIR/check")" = "The tunnel would work." ] || fail "$what: $(cat "$LAB_DIR/check")"
    says "  ok       tunnel   the token is accepted"
    [ "$(doors_metric sallyport_tunnels)" = 1 ] || fail "$(doors_metric sallyport_tunnels) tunnels are left"
    ok "$what, and for people to read; nothing is left at the server"
}

lab_up
doors_server --relay-ports none --relay-ip 198.51.100.2
networks
wrong
beside_a_gateway
