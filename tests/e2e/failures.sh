#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One video call between two Chromium, and all that can go wrong in the middle of it. Ana's browser uses a
# gateway on her router (fwa), so that her network can change without her browser; Ben has one beside his, and
# his firewall lets out nothing but TCP 443. For each failure: for how long either of the two got no voice and no
# picture, and how soon both had both again once the cause was over.
# timeout: 420

# shellcheck source=tests/support/watched.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/watched.sh"
set -euo pipefail

lanes=4

# ---- the call ------------------------------------------------------------------------------------------

call_begin() {
    watched_call --a-ice "$(doors_ice "turn:10.1.0.1:3478?transport=udp")" \
        --b-ice "$(doors_ice "turn:192.0.2.1:3478?transport=udp")"
}

# What lives also has all its lanes again.
tell() {
    watched_tell "$@"
    [ "${2-}" = lives ] || return 0
    wait_until 20 all_lanes_well || fail "$1: $(gateway_metric lanes) lanes, not $lanes"
}

# ---- the two doors -------------------------------------------------------------------------------------

gateway() {
    local host=$1
    shift
    doors_gateway "$host" --server https://edge6.test --lanes $lanes "$@"
}

ana_gateway() {
    gateway fwa --listen 10.1.0.1:3478 --lan 10.1.0.0/24
}

# The first server, or the second: two names, two processes that know nothing of each other.
server_options=(--listen-udp none --serve "tunnel,site" --relay-ports none --relay-ip 198.51.100.2)

start_second_server() {
    lab_spawn edge server2 "$BUILD_DIR/sallyport-server" --listen "[2001:db8:100::2]:443" --realm edge.test \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" \
        --admin 127.0.0.1:9643 --drain-timeout 0 "${server_options[@]}"
    lab_wait_ready server2
}

# gateway_metric NAME: of Ana's.
gateway_metric() {
    lab_host fwa curl -sS --max-time 5 http://127.0.0.1:9642/metrics | sed -n "s/^sallyport_$1 //p"
}

all_lanes_well() {
    [ "$(gateway_metric lanes)" = $lanes ] &&
        ! lab_host fwa curl -sS --max-time 5 http://127.0.0.1:9642/metrics | grep -q '^sallyport_lane_suspect{.*} 1$'
}

no_lanes() {
    [ "$(gateway_metric lanes)" = 0 ]
}

same_tunnel() {
    [ "$(gateway_metric uplink_tunnels_made_total)" = 1 ] || fail "$1: the gateway made another tunnel"
}

# What happens to packets that Ana's gateway sends by its lanes, until wall_down; drop_lanes may be told which.
reset_lanes() {
    lab_host fwa iptables -w -I OUTPUT -o wan -p tcp --dport 443 -j REJECT --reject-with tcp-reset
}

drop_lanes() {
    lab_host fwa iptables -w -I OUTPUT -o wan -p tcp --dport 443 "$@" -j DROP
    lab_host fwa ip6tables -w -I OUTPUT -o wan -p tcp --dport 443 "$@" -j DROP
}

wall_down() {
    lab_host fwa iptables -w -D OUTPUT 1
    lab_host fwa ip6tables -w -D OUTPUT 1 2>/dev/null || true
}

# ---- what the browsers must not notice -----------------------------------------------------------------

all_lanes_reset() {
    mark reset
    reset_lanes
    wait_until 10 no_lanes || fail "lanes outlive their reset"
    wall_down
    over reset
    tell "all lanes reset" lives
    same_tunnel reset
}

# 2 s without any network, then another one.
roaming() {
    local wan
    wan=$(lab_ns fwa)
    mark roaming
    ip -n "$wan" address delete 198.51.100.11/24 dev wan
    sleep 2
    ip -n "$wan" address add 198.51.100.77/24 dev wan
    ip -n "$wan" route add default via 198.51.100.1
    over roaming
    tell "roaming, 2 s without a network" lives
    same_tunnel roaming
}

one_lane_stalls() {
    local before port
    before=$(gateway_metric tunnel_lanes_suspected_total)
    port=$(lab_host fwa ss -Htn state established "dst 198.51.100.2 and dport = 443" |
        awk 'NR == 1 { sub(/.*:/, "", $3); print $3 }')
    mark stall
    drop_lanes --sport "$port"
    wait_until 20 has_suspected "$before" || fail "a lane that stalls goes unnoticed"
    over stall
    wall_down
    tell "one lane stalls" lives
    same_tunnel stall
}

has_suspected() {
    [ "$(gateway_metric tunnel_lanes_suspected_total)" -gt "$1" ]
}

# Another certificate, of another CA: lanes live on, and a new one meets it.
certificate_exchanged() {
    mark certificate
    lab_cert
    kill -HUP "$(lab_pid server)" "$(lab_pid gateway-fwa)" "$(lab_pid gateway-b)"
    wait_until 10 serves_new_certificate || fail "the server shows its old certificate after SIGHUP"
    over certificate
    tell "certificate exchanged by SIGHUP" lives
    mark new-lanes
    reset_lanes
    wait_until 10 no_lanes || fail "lanes outlive their reset"
    wall_down
    over new-lanes
    tell "all lanes reset, to meet the new certificate" lives
    same_tunnel certificate
}

serves_new_certificate() {
    lab_host fwa openssl s_client -connect 198.51.100.2:443 -servername edge.test -verify_return_error \
        -CAfile "$LAB_DIR/ca.pem" </dev/null >"$LAB_DIR/s_client.out" 2>&1
}

# ---- what they notice, and survive ---------------------------------------------------------------------

black_hole() {
    mark hole
    drop_lanes
    sleep 30
    wall_down
    over hole
    tell "30 s of black hole"
    wait_until 20 all_lanes_well || fail "30 s of black hole: $(gateway_metric lanes) lanes, not $lanes"
}

gateway_restarted() {
    mark gateway
    lab_stop gateway-fwa
    ana_gateway
    over gateway
    tell "the gateway restarted"
}

server_restarted() {
    mark server
    lab_stop server
    doors_start_server "${server_options[@]}"
    over server
    tell "the server restarted"
    [ "$(gateway_metric uplink_tunnels_made_total)" = 2 ] || fail "the gateway did not make a new tunnel"
}

first_server_gone() {
    start_second_server
    mark first
    kill -KILL "$(lab_pid server)"
    lab_wait server 2>/dev/null || true
    over first
    tell "the first of two servers gone"
    lab_host fwa curl -sS --max-time 5 http://127.0.0.1:9642/status | grep -q '"server": *"edge6.test' ||
        fail "the gateway has not gone to the second server"
}

need_packages python3
need_commands curl=curl openssl=openssl
doors_browsers chromium
lab_up
lab_ipv6 || skip "needs IPv6"
doors_server "${server_options[@]}"
doors_page
lab_profile b https-only
ana_gateway
gateway b
call_begin
all_lanes_reset
roaming
one_lane_stalls
certificate_exchanged
black_hole
gateway_restarted
server_restarted
first_server_gone
watched_end
