#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A call through the gateway while its lanes are reset, vanish without a word, all at once or one by one, and
# while server and gateway come and go: what has to live lives, what has to end ends, and nothing is left.
# sanitizers: yes
# shellcheck disable=SC2119,SC2120 # walls that take all lanes
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2
lanes=4

# ---- calls -----------------------------------------------------------------------------------------------

call_begin() {
    host_spawn call "$support/turn_pair.py" udp:192.0.2.1:3478 tcp:192.0.2.1:3478
    lab_wait_ready call
}

call_end() {
    kill -TERM "$(lab_pid call)"
    lab_wait call || fail "$1: the call failed: $(cat "$LAB_DIR/call.err")"
}

# call_lived WHAT LOST GAP_MS: it went on over the same relayed addresses, lost at most so much, and was
# never silent for longer than that.
call_lived() {
    local text
    call_end "$1"
    text="$1: $(tail -n 1 "$LAB_DIR/call.out"; cat "$LAB_DIR/call.err")"
    [ "$(value kept call)" = yes ] || fail "$text"
    [[ $text == *" twice=0 altered=0 "* ]] || fail "$text"
    [ "$(value last_ms call)" -lt 500 ] || fail "silent at the end: $text"
    [ "$(value lost call)" -le "$2" ] || fail "more than $2 lost: $text"
    [ "$(value gap_ms call)" -le "$3" ] || fail "silent for more than $3 ms: $text"
    ok "$text"
}

same_tunnel() {
    [ "$(metric gateway uplink_tunnels_made_total)" = 1 ] || fail "the gateway made another tunnel"
    [ "$(metric server tunnels_opened_total)" = 1 ] || fail "the server made another tunnel"
}

all_lanes_well() {
    wait_until 10 is healthy_lanes -eq $lanes || fail "$(healthy_lanes) lanes are well, not $lanes"
    wait_until 10 is 'metric server lanes' -eq $lanes || fail "the server has $(metric server lanes) lanes"
}

healthy_lanes() {
    local all suspect
    all=$(metric gateway lanes)
    suspect=$(curl -sS http://127.0.0.1:9642/metrics | grep -c '^sallyport_lane_suspect{.*} 1$' || true)
    echo $((all - suspect))
}

# ---- walls -----------------------------------------------------------------------------------------------

# The gateway's end of each lane.
lane_ports() {
    ss -Htn state established "dst $edge4 and dport = 443" | awk '{ sub(/.*:/, "", $3); print $3 }'
}

# What happens to packets between gateway and server, of all lanes or of those that match, until wall_down.
reset_lanes() {
    iptables -w -A INPUT -p tcp -d $edge4 --dport 443 "$@" -j REJECT --reject-with tcp-reset
}

drop_lanes() {
    iptables -w -A INPUT -p tcp -d $edge4 --dport 443 "$@" -j DROP
}

drop_answers() {
    iptables -w -A INPUT -p tcp -s $edge4 --sport 443 "$@" -j DROP
}

wall_down() {
    iptables -w -F INPUT
}

# ---- lanes -----------------------------------------------------------------------------------------------

one_lane_reset() {
    local port
    call_begin
    port=$(lane_ports | head -n 1)
    reset_lanes --sport "$port"
    wait_until 5 is "lane_ports | grep -cx $port || true" -eq 0 || fail "the lane lives"
    all_lanes_well
    sleep 1
    call_lived "one lane reset" 40 500
    wall_down
    same_tunnel
}

all_lanes_reset() {
    call_begin
    reset_lanes
    wait_until 5 is 'metric gateway lanes' -eq 0 || fail "lanes live"
    sleep 0.3
    [ "$(metric gateway tunnel_up)" = 0 ] || fail "the tunnel is up without lanes"
    wall_down
    all_lanes_well
    sleep 1
    call_lived "all lanes reset" 400 4000
    same_tunnel
}

# one_lane_vanishes WHAT COMMAND...: the command drops what a port of the gateway, its last argument, sends
# or gets.
one_lane_vanishes() {
    local what=$1 port before
    shift
    before=$(metric gateway tunnel_lanes_suspected_total)
    call_begin
    port=$(lane_ports | head -n 1)
    "$@" "$port"
    wait_until 5 is 'metric gateway tunnel_lanes_suspected_total' -gt "$before" || fail "$what: unnoticed"
    all_lanes_well
    sleep 1
    call_lived "$what" 120 700
    wall_down
    same_tunnel
}

everything_vanishes() {
    call_begin
    drop_lanes
    sleep 4
    wall_down
    all_lanes_well
    sleep 1
    call_lived "no network for 4 s" 1200 9000
    same_tunnel
}

# ---- ends ------------------------------------------------------------------------------------------------

# The gateway says good-bye: the server keeps no allocation for it, and the tunnel for the linger time alone.
gateway_stops() {
    call_begin
    [ "$(metric server allocations)" = 2 ] || fail "$(metric server allocations) allocations for a call"
    kill -TERM "$(lab_pid gateway)"
    lab_wait gateway || fail "the gateway ended with status $?"
    tail -n 1 "$LAB_DIR/gateway.err" | grep -q stopped || fail "the gateway did not say that it stopped"
    wait_until 2 is 'metric server allocations' -eq 0 || fail "the server keeps allocations"
    [ "$(metric server lanes)" = 0 ] || fail "the server keeps lanes"
    wait_until 6 is 'metric server tunnels' -eq 0 || fail "the server keeps the tunnel"
    grep -q 'tunnel ended' "$LAB_DIR/server.err" || fail "the server does not log the end of a tunnel"
    call_end "gateway stopped"
    [ "$(value kept call)" = no ] || fail "an allocation outlives its gateway"
    ok "SIGTERM ends the gateway in good order"
}

# The gateway dies: nobody knows whether it comes back, so all stays for the linger time (3 s), and then goes.
gateway_dies() {
    gateway_start --lanes $lanes
    call_begin
    kill -KILL "$(lab_pid gateway)"
    lab_wait gateway 2>/dev/null && fail "the gateway survived"
    sleep 1
    [ "$(metric server tunnels)" = 1 ] || fail "the tunnel did not wait for its gateway"
    [ "$(metric server allocations)" = 2 ] || fail "allocations did not wait for their gateway"
    wait_until 6 is 'metric server tunnels' -eq 0 || fail "the tunnel waits for ever"
    [ "$(metric server allocations)" = 0 ] || fail "allocations wait for ever"
    [ "$(metric server flows)" = 0 ] || fail "flows wait for ever"
    call_end "gateway killed"
    ok "a tunnel without a gateway ends after the linger time, allocations and all"
}

# Without a word: the tunnel is forgotten by then, and the gateway may not insist on it. (In good order: drain.sh.)
server_restarts() {
    gateway_start --lanes $lanes
    call_begin
    kill -KILL "$(lab_pid server)"
    lab_wait server 2>/dev/null && fail "the server survived"
    wait_until 5 is 'metric gateway tunnel_up' -eq 0 || fail "the gateway does not notice"
    server_start --relay-ip $edge4
    wait_until 10 tunnel_up || fail "the gateway does not come back"
    [ "$(metric gateway uplink_tunnels_made_total)" = 2 ] || fail "the gateway did not make a new tunnel"
    grep -q 'warn .*relayed addresses are lost' "$LAB_DIR/gateway.err" || fail "the gateway does not say so"
    call_end "server restarted"
    [ "$(value kept call)" = no ] || fail "an allocation outlives its server"
    all_lanes_well
    call_begin
    sleep 1
    call_lived "a new call after the server's restart" 0 500
}

# The address that both browsers use, given to the host when the gateway runs already, serves them at once.
address_comes_later() {
    host_stop gateway
    ip address delete 192.0.2.1/32 dev lo
    host_spawn gateway "$client_program" --server https://edge.test --admin 127.0.0.1:9642 --lanes $lanes \
        --token-file "$LAB_DIR/token" --ca "$LAB_DIR/ca.pem"
    lab_wait_ready gateway
    wait_until 10 tunnel_up || fail "the tunnel does not come up"
    ! grep -q "udp 192.0.2.1" "$LAB_DIR/gateway.out" || fail "it listens on an address that is not there"
    ip address add 192.0.2.1/32 dev lo
    wait_until 10 grep -q "listening on one more address" "$LAB_DIR/gateway.err" || fail "the gateway does not notice"
    call_begin
    sleep 1
    call_lived "a call by an address that came later" 0 500
    [ "$(metric gateway uplink_network_changes_total)" -ge 1 ] || fail "and does not count it"
}

# ---- what is left ----------------------------------------------------------------------------------------

# nothing_left LOG DESCRIPTORS
nothing_left() {
    wait_until 5 is "descriptors $1" -le "$2" || fail "$1 has $(descriptors "$1") descriptors open, had $2:
$(ls -l "/proc/$(lab_pid "$1")/fd")"
    [ -z "$(ss -Htn state close-wait)" ] || fail "connections that nobody closes: $(ss -Htnp state close-wait)"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2 iptables=iptables
host_up
server_start --relay-ip $edge4
gateway_start --lanes $lanes
all_lanes_well
server_descriptors=$(descriptors server) gateway_descriptors=$(descriptors gateway)
one_lane_reset
all_lanes_reset
one_lane_vanishes "what one lane sends vanishes" drop_lanes --sport
one_lane_vanishes "what one lane should get vanishes" drop_answers --dport
everything_vanishes
nothing_left gateway "$gateway_descriptors"
nothing_left server "$server_descriptors"
ok "no descriptor and no connection was left behind"
host_stop gateway
host_stop server
server_start --relay-ip $edge4 --linger 3
server_descriptors=$(descriptors server)
gateway_start --lanes $lanes
gateway_stops
nothing_left server "$server_descriptors"
gateway_dies
nothing_left server "$server_descriptors"
server_restarts
address_comes_later
