#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 240
#
# A server is told to end while calls run: they go on and lose nothing, new ones are sent elsewhere, gateways
# have a tunnel to the next server before the old one is gone. And how it ends: when the last allocation has, at
# a second signal, when its time is up; what a gateway does that has no other server; how a gateway leaves.
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2
other4=198.51.100.3
lanes=4

# ---- servers ---------------------------------------------------------------------------------------------

# The next one: edge6.test for gateways, 198.51.100.3 for TURN clients.
start_other() {
    host_spawn other "$server_program" --admin 127.0.0.1:9643 --realm edge.test --user test:test --drain-timeout 0 \
        --listen "[2001:db8:100::2]:443" --listen $other4:443 --listen-udp $other4:3478 --relay-ip $other4 \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret"
    lab_wait_ready other
}

start_server() {
    local timeout=$1
    shift
    host_spawn server "$server_program" --admin 127.0.0.1:9641 --realm edge.test --user test:test \
        --drain-timeout "$timeout" --listen $edge4:443 --listen-udp $edge4:3478 --relay-ip $edge4 \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" "$@"
    lab_wait_ready server
}

other_metric() {
    curl -sS --max-time 5 http://127.0.0.1:9643/metrics | sed -n "s/^sallyport_$1 //p"
}

drain() {
    kill -TERM "$(lab_pid server)"
    wait_until 5 is 'metric server draining' -eq 1 || fail "the server does not drain"
}

# ended WHY: the server has ended in good order, for that reason.
ended() {
    wait_until 20 has_ended server || fail "the server does not end ($1)"
    lab_wait server || fail "the server ended with status $? ($1)"
    grep -q "stopping.*$1" "$LAB_DIR/server.err" || fail "the server does not say that it ends since $1"
}

gateway_is_at() {
    curl -sS --max-time 5 http://127.0.0.1:9642/status | tr -d '\n' | grep -q "\"tunnel\": *\"up\".*\"server\": *\"$1"
}

# ---- calls -----------------------------------------------------------------------------------------------

# call_begin NAME TARGET TARGET
call_begin() {
    host_spawn "$1" "$support/turn_pair.py" "$2" "$3"
    lab_wait_ready "$1"
}

call_end() {
    kill -TERM "$(lab_pid "$1")"
    lab_wait "$1" || fail "the call failed: $(cat "$LAB_DIR/$1.err")"
}

# call_lived NAME LOST WHAT: over the same relayed addresses, and lost at most so much.
call_lived() {
    local text
    call_end "$1"
    text="$3: $(tail -n 1 "$LAB_DIR/$1.out"; cat "$LAB_DIR/$1.err")"
    [ "$(value kept "$1")" = yes ] || fail "$text"
    [[ $text == *" twice=0 altered=0 "* ]] || fail "$text"
    [ "$(value lost "$1")" -le "$2" ] || fail "more than $2 lost: $text"
    ok "$text"
}

# allocate TARGET: prints the error, or "0" and the first ALTERNATE-SERVER.
allocate() {
    PYTHONPATH=$support python3 - "$1" <<'END'
import sys
import turn

ALTERNATE_SERVER = 0x8023

try:
    turn.client(sys.argv[1]).allocate()
    print(0)
except turn.TurnError as error:
    value = error.attrs.get(ALTERNATE_SERVER)
    print(error.code, *([] if value is None else [".".join(map(str, value[4:8])), int.from_bytes(value[2:4], "big")]))
END
}

refused() {
    local got
    got=$(allocate "$1")
    [ "$got" = "$2" ] || fail "a new allocation by $1 got \"$got\", not \"$2\""
}

# ---- while it drains -------------------------------------------------------------------------------------

lane_ports() {
    ss -Htn state established "dst $edge4 and dport = 443" | awk '{ sub(/.*:/, "", $3); print $3 }'
}

calls_go_on() {
    start_server 120 --alternate-server $other4
    gateway_start --server https://edge6.test --lanes $lanes
    wait_until 10 is 'metric server lanes' -eq $lanes || fail "the server has $(metric server lanes) lanes"
    call_begin tunnelled udp:192.0.2.1:3478 tcp:192.0.2.1:3478
    call_begin direct udp:$edge4:3478 tls:$edge4:443
    drain
    [ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9641/healthz)" = 503 ] || fail "it calls itself healthy"
    wait_until 10 gateway_is_at edge6.test || fail "the gateway has no tunnel to the other server"
    [ "$(metric gateway draining_tunnels)" = 1 ] || fail "the gateway gave the old tunnel up"
    [ "$(metric gateway draining_flows)" = 2 ] || fail "the gateway gave flows of the old tunnel up"
    [ "$(metric gateway uplink_tunnels_made_total)" = 2 ] || fail "tunnels: $(metric gateway uplink_tunnels_made_total)"
}

new_ones_go_elsewhere() {
    refused udp:$edge4:3478 "300 $other4 3478"
    refused tls:$edge4:443 "300 $other4 443"
    [ "$(allocate udp:$other4:3478)" = 0 ] || fail "the server that clients are sent to refuses them"
    call_begin new udp:127.0.0.1:3478 tcp:192.0.2.1:3478
    [ "$(other_metric flows)" = 2 ] || fail "the new call is not at the other server"
    sleep 1
    call_lived new 0 "a new call through the gateway"
    curl -sS --cacert "$LAB_DIR/ca.pem" -D "$LAB_DIR/head" -o /dev/null https://edge.test/ || fail "the site is gone"
    grep -qi '^connection: close' "$LAB_DIR/head" || fail "strangers are kept: $(cat "$LAB_DIR/head")"
    ok "new TURN clients get 300 and the other server's address, strangers the site and no second request"
}

lanes_are_replaced() {
    local port
    port=$(lane_ports | head -n 1)
    iptables -w -A INPUT -p tcp -d $edge4 --dport 443 --sport "$port" -j REJECT --reject-with tcp-reset
    wait_until 5 is "lane_ports | grep -cx $port || true" -eq 0 || fail "the lane lives"
    wait_until 10 is 'metric server lanes' -eq $lanes || fail "the lane was not replaced"
    iptables -w -F INPUT
    sleep 1
    call_lived tunnelled 40 "the old call through the gateway, a lane of it reset"
    wait_until 10 is 'metric server tunnels' -eq 0 || fail "the old tunnel stays without a call"
    grep -q 'tunnel ended.*reason="left"' "$LAB_DIR/server.err" || fail "the gateway left without a word"
    wait_until 10 is 'metric gateway draining_tunnels' -eq 0 || fail "the gateway keeps the old tunnel"
}

ends_with_the_last_call() {
    has_ended server && fail "it did not wait for the other call"
    call_lived direct 0 "the call by UDP and TLS"
    ended "no allocation is left"
    grep -q 'tunnel ended.*reason="drained"' "$LAB_DIR/gateway.err" || fail "the gateway does not log the end of the tunnel"
    ! grep -q 'relayed addresses are lost' "$LAB_DIR/gateway.err" || fail "the gateway speaks of lost calls"
    ok "it ends when the last allocation has"
}

# ---- how it ends -----------------------------------------------------------------------------------------

# The gateway goes back to the first server when it has to look for one again, so each of these begins anew.
begin_anew() {
    host_stop gateway
    start_server "$1"
    gateway_start --server https://edge6.test --lanes $lanes
    call_begin call udp:192.0.2.1:3478 udp:$edge4:3478
}

# ends_while_called WHY: the gateway knows at once, and serves who asks again.
call_is_lost() {
    ended "$1"
    wait_until 10 is 'metric gateway draining_tunnels' -eq 0 || fail "the gateway does not notice ($1)"
    call_end call
    [ "$(value kept call)" = no ] || fail "an allocation outlives its server ($1)"
    grep -q 'allocation ended.*reason="shutdown"' "$LAB_DIR/server.err" || fail "no word of the allocations ($1)"
    call_begin call udp:192.0.2.1:3478 udp:$other4:3478
    sleep 0.5
    call_lived call 0 "a new call after that"
}

second_signal() {
    begin_anew 120
    drain
    refused udp:$edge4:3478 508
    kill -TERM "$(lab_pid server)"
    call_is_lost "asked again"
    ok "a second signal ends it at once"
}

time_is_up() {
    begin_anew 2
    drain
    call_is_lost "drained for long enough"
    ok "it ends when its time is up"
}

# ---- no other server -------------------------------------------------------------------------------------

one_server() {
    host_stop gateway
    start_server 120
    gateway_start --lanes $lanes
    call_begin call udp:192.0.2.1:3478 tcp:192.0.2.1:3478
    drain
    wait_until 10 grep -q 'could not open a lane.*it drains' "$LAB_DIR/gateway.err" ||
        fail "the gateway does not say that there is no other server"
    [ "$(metric gateway tunnel_up)" = 0 ] || fail "a server that drains made a tunnel"
    sleep 1
    call_lived call 0 "the call of a gateway that has no other server"
    ended "no allocation is left"
    start_server 0
    wait_until 15 tunnel_up || fail "the gateway does not find the successor"
    call_begin call udp:192.0.2.1:3478 tcp:192.0.2.1:3478
    sleep 0.5
    call_lived call 0 "a new call at its successor"
}

# What it had is freed at once, and nothing waits for it (--linger is 30 s).
gateway_leaves() {
    call_begin call udp:192.0.2.1:3478 tcp:192.0.2.1:3478
    host_stop gateway
    wait_until 3 is 'metric server allocations' -eq 0 || fail "the server keeps allocations"
    wait_until 3 is 'metric server tunnels' -eq 0 || fail "the server keeps the tunnel"
    call_end call
    ok "a gateway that leaves leaves nothing behind"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2 iptables=iptables
host_up
start_other
calls_go_on
new_ones_go_elsewhere
lanes_are_replaced
ends_with_the_last_call
second_signal
time_is_up
one_server
gateway_leaves
kill -TERM "$(lab_pid other)"
lab_wait other || fail "the other server ended with status $?"
