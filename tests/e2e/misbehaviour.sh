#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Others misbehave while calls are going on: malformed everything, peers that stop reading, no more file
# descriptors. The calls lose nothing, memory stays where it is, and all of it is counted.
# sanitizers: yes
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"
# shellcheck source=tests/support/calls.sh
. "$support/calls.sh"

edge4=198.51.100.2 peer4=198.51.100.3

# mischief ARGUMENT...
mischief() {
    timeout 30 "$support/mischief.py" "$@" >"$LAB_DIR/mischief.out" 2>"$LAB_DIR/mischief.err" ||
        fail "mischief.py $*: $(tail -n 2 "$LAB_DIR/mischief.err")"
}

malformed_datagrams() {
    calls_begin
    mischief datagrams $edge4 3478
    grew server turn_malformed_messages_total
    grew server turn_unanswered_requests_total
    mischief datagrams 192.0.2.1 3478
    grew server turn_malformed_messages_total
    alive datagrams
    calls_end "malformed datagrams"
    ok "malformed datagrams"
}

malformed_streams() {
    calls_begin
    mischief streams tcp $edge4 443
    [ "$(value ended mischief)" -ge 30 ] || fail "few were sent away: $(cat "$LAB_DIR/mischief.out")"
    grew server connections_tls_failed_total
    grew server connections_unknown_total
    grew server http_malformed_requests_total
    mischief streams tls $edge4 443
    grew server connections_unknown_total
    grew server http_malformed_requests_total
    mischief streams tcp 127.0.0.1 3478
    grew gateway 'local_dropped_datagrams_total{reason="not_turn"}'
    alive streams
    calls_end "malformed streams"
    ok "malformed TLS, HTTP and TURN on connections"
}

malformed_frames() {
    calls_begin
    mischief frames $edge4 "$LAB_DIR/token"
    [ "$(value ended mischief)" = 6 ] || fail "lanes that break framing go on: $(cat "$LAB_DIR/mischief.out")"
    grew server tunnel_malformed_messages_total
    grew server 'tunnel_dropped_datagrams_total{reason="unknown_flow"}'
    grew server tunnel_flows_refused_total
    alive frames
    calls_end "malformed frames"
    ok "frames and control messages that are wrong or make no sense"
}

# deaf LOG METRIC ARGUMENT...: mischief that the program has to bear without growing, and to count. What counts
# is the most that it ever had, since what waits for the deaf goes with them. One worker, since rings between
# workers are used for the first time at some time: overload.sh bounds what they take.
deaf() {
    local log=$1 counter=$2 before after
    shift 2
    calls_begin
    before=$(memory_kb "$log")
    mischief deaf "$@"
    [ "$(value flood mischief)" -ge 500000 ] || fail "no flood: $(cat "$LAB_DIR/mischief.out")"
    after=$(peak_kb "$log")
    [ $((after - before)) -lt 16000 ] || fail "deaf $1: the $log grew from $before to $after kB"
    [ "$counter" = - ] || grew "$log" "$counter"
    alive "deaf $1"
    calls_end "deaf $1"
    ok "deaf $1 and $log: a flood of $(value flood mischief) bytes, memory from $before to at most $after kB"
}

# ---- no more descriptors ---------------------------------------------------------------------------------

# starved LOG ARGUMENT...: mischief that leaves a program without descriptors. It says so, sleeps, and is well
# when that is over.
starved() {
    local log=$1 before used
    shift
    before=$(ticks "$log")
    host_spawn hold "$support/mischief.py" hold "$@"
    lab_wait_ready hold
    wait_until 1 is "descriptors $log" -ge 125 || fail "$log has but $(descriptors "$log") descriptors open"
    wait_until 1 grep -q 'cannot accept connections' "$LAB_DIR/$log.err" || fail "$log does not pause"
    lab_wait hold || fail "$log starved: $(tail -n 1 "$LAB_DIR/hold.err")"
    used=$(($(ticks "$log") - before))
    [ "$used" -lt "$(getconf CLK_TCK)" ] || fail "$log was busy for $used ticks"
    wait_until 3 is "descriptors $log" -lt 100 || fail "$log still has $(descriptors "$log") descriptors open"
    [ "$(grep -c 'cannot accept connections' "$LAB_DIR/$log.err")" -le 2 ] || fail "$log floods its log"
}

no_descriptors() {
    host_stop gateway
    host_stop server
    limits=(prlimit --nofile=128)
    server_start --workers 1 --relay-ip $edge4
    gateway_start --lanes 4
    calls_begin
    starved server relays $edge4
    grew server sockets_accept_pauses_total
    [ "$(curl -sS --cacert "$LAB_DIR/ca.pem" -o /dev/null -w '%{http_code}' https://edge.test/)" = 200 ] ||
        fail "the server accepts no more connections"
    starved gateway connections 127.0.0.1 3478
    [ "$("$support/raw.py" tcp 127.0.0.1 3478 0.1 </dev/null | tail -n 1)" = open ] ||
        fail "the gateway accepts no more connections"
    calls_end "no descriptors"
    ok "no more descriptors: accept pauses and recovers, calls go on"
}

# Strangers alone can't take them all.
strangers() {
    local before
    before=$(metric server connections_crowded_total)
    calls_begin
    host_spawn hold "$support/mischief.py" hold connections $edge4 443
    lab_wait_ready hold
    wait_until 2 is 'metric server connections_crowded_total' -gt "$((before + 100))" ||
        fail "200 connections from one address, and nobody counts"
    [ "$(descriptors server)" -lt 100 ] || fail "strangers hold $(descriptors server) descriptors"
    lab_wait hold
    calls_end "strangers"
    ok "strangers alone can't use up the descriptors"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up
server_start --workers 1 --relay-ip $edge4 --allow-peer $peer4
gateway_start --lanes 4
malformed_datagrams
malformed_streams
malformed_frames
deaf server sockets_turn_dropped_messages_total turn $peer4 tcp:$edge4:443 tls:$edge4:443
deaf server 'tunnel_dropped_datagrams_total{reason="full"}' lane $peer4 $edge4 "$LAB_DIR/token"
deaf gateway 'local_dropped_datagrams_total{reason="unread"}' turn $peer4 tcp:192.0.2.1:3478
deaf server - http $edge4
no_descriptors
strangers
