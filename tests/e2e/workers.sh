#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A server with several workers, which know of each other only what they must: the lanes of one tunnel come
# together on one of them, calls go from worker to worker in memory, and what is asked of the server is done
# by all of them.
# sanitizers: yes
# machine: shared
# shellcheck disable=SC2119
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2
workers=4 gateways=4 lanes=4

need_commands turnutils_uclient=coturn turnutils_peer=coturn curl=curl openssl=openssl ip=iproute2
host_up

threads() {
    find "/proc/$(lab_pid server)/task" -mindepth 1 -maxdepth 1 | wc -l
}

# ---- the lanes of a tunnel ---------------------------------------------------------------------------------

drain_timeout=6 server_start --workers $workers --relay-ip $edge4
[ "$(threads)" = $((workers + 1)) ] || [ "$(threads)" = $((workers + 2)) ] || # with one of a sanitizer
     fail "$(threads) threads, not $((workers + 1))"

# With so many lanes, some come to another worker first: they all do but with a chance of one in a million.
gateway_start --lanes $lanes
for ((i = 1; i < gateways; i++)); do
    host_spawn gateway-$i "$client_program" --server https://edge.test --admin none --token-file "$LAB_DIR/token" \
        --ca "$LAB_DIR/ca.pem" --listen 192.0.2.1:$((4000 + i)) --lanes $lanes
    lab_wait_ready gateway-$i
done
all_lanes() {
    [ "$(metric server lanes)" = $((gateways * lanes)) ]
}
wait_until 20 all_lanes || fail "$(metric server lanes) lanes, not $((gateways * lanes))"
moved=$(metric server workers_connections_total)
[ "$moved" -gt 0 ] || fail "no lane went from worker to worker"
[ "$(metric server tunnels_opened_total)" = $gateways ] || fail "$(metric server tunnels_opened_total) tunnels"
[ "$(metric server tunnels_refused_total)" = 0 ] || fail "a lane was refused"
ok "$gateways tunnels of $lanes lanes; $moved lanes went to the worker of their tunnel"

# ---- calls between workers ---------------------------------------------------------------------------------

# Each client has a peer that is a client, too; all by relayed addresses of this server.
for how in "-t -S -p 443" "-p 3478"; do
    # shellcheck disable=SC2086
    timeout 60 turnutils_uclient -y -c -m 8 -n 50 -l 200 -u test -w test $how $edge4 >"$LAB_DIR/calls.out" 2>&1 ||
        fail "turnutils_uclient $how: $(tail -n 3 "$LAB_DIR/calls.out")"
    grep -q "Total lost packets 0 " "$LAB_DIR/calls.out" || fail "$how: $(tail -n 5 "$LAB_DIR/calls.out")"
done
between=$(metric server turn_handed_over_datagrams_total)
[ "$between" -gt 0 ] || fail "no datagram went from worker to worker"
[ "$(metric server turn_from_other_datagrams_total)" = "$between" ] || fail "not all of $between came"
[ "$(metric server workers_dropped_datagrams_total)" = 0 ] || fail "datagrams between workers were dropped"
[ "$(metric server turn_to_peer_datagrams_total)" = 0 ] || fail "calls within the server went by its sockets"
ok "clients call each other, whichever worker has them: $between datagrams from worker to worker"

# ---- what is asked of all ----------------------------------------------------------------------------------

host_spawn call "$support/turn_pair.py" udp:192.0.2.1:4001 udp:192.0.2.1:4002
lab_wait_ready call
curl -sS http://127.0.0.1:9641/status >"$LAB_DIR/status.json"
python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))
assert len(s["tunnels"]) == int(sys.argv[2]), s["tunnels"]
assert sum(len(t["lanes"]) for t in s["tunnels"]) == int(sys.argv[2]) * int(sys.argv[3])
assert s["now"]["flows"] == 2, s["now"]' "$LAB_DIR/status.json" $gateways $lanes || fail "/status is not of all workers"
kill -HUP "$(lab_pid server)"
wait_until 10 grep -q "reread" "$LAB_DIR/server.err" || fail "SIGHUP was not heard"
kill -TERM "$(lab_pid server)"
wait_until 10 grep -q "draining" "$LAB_DIR/server.err" || fail "SIGTERM was not heard"
sleep 1
[ "$(metric server draining)" = 1 ] || fail "draining is $(metric server draining), not 1"
kill -TERM "$(lab_pid call)"
lab_wait call || fail "the call did not live until its end: $(cat "$LAB_DIR/call.err")"
[[ $(tail -n 1 "$LAB_DIR/call.out") == *" twice=0 altered=0 "* ]] || fail "$(tail -n 1 "$LAB_DIR/call.out")"
lab_wait server || fail "the server ended with status $?"
ok "all of them reread, drain and end"
for i in "" -1 -2 -3; do
    lab_stop "gateway$i"
done

# ---- ports that overlap --------------------------------------------------------------------------------------

for n in 1 2; do
    server_udp=(--listen-udp "[::]:3478" --listen-udp 0.0.0.0:3478)
    server_start --workers $n --relay-ip $edge4 --listen "[::]:444" --listen 0.0.0.0:444 --listen $edge4:444
    for address in 127.0.0.1 $edge4 "[2001:db8:100::2]"; do
        [ "$(curl -sS --cacert "$LAB_DIR/ca.pem" --connect-to "::$address:444" -o /dev/null -w '%{http_code}' https://edge.test/)" = 200 ] ||
            fail "with $n workers nobody answers at $address"
    done
    timeout 10 turnutils_stunclient $edge4 >"$LAB_DIR/stun.out" 2>&1 || fail "no STUN: $(cat "$LAB_DIR/stun.out")"
    lab_stop server
done
server_udp=(--listen-udp "$edge4:3478")
ok "ports of every address and of one are served together, by one worker as by two"

# ---- what can't be -----------------------------------------------------------------------------------------

server_start --workers 2 --relay-ip $edge4
status=0
"$server_program" --admin none --user test:test --workers 2 --listen $edge4:443 --listen-udp none --relay-ip $edge4 \
    --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" 2>"$LAB_DIR/second.err" || status=$?
[ $status = 1 ] || fail "a second server on the same port ended with status $status: $(cat "$LAB_DIR/second.err")"
grep -q "$edge4:443.*ddress already in use" "$LAB_DIR/second.err" || fail "$(cat "$LAB_DIR/second.err")"
ok "ports are shared with no other server"
lab_stop server
