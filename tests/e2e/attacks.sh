#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Attacks from hundreds of addresses while calls are going on: 10,000 connections that stay silent, stop in the
# middle of the handshake, or drip their requests; a flood of STUN; guesses. Memory stays at the bound that options
# set, the calls lose nothing, and each bound that was hit is counted.
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"
# shellcheck source=tests/support/calls.sh
. "$support/calls.sh"

edge4=198.51.100.2 net=203.0.113.
strangers=1000
# What one stranger may cost: a TLS session of wolfSSL and its buffers. Sanitizers need more, and keep what was
# freed for a while.
stranger_kb=64 spare_kb=16384

hit() {
    grew server "bounds_hit_total{bound=\"$1\"}"
}

# attack KIND COUNT PORT
attack() {
    timeout 50 "$support/attack.py" "$1" $edge4 "$3" "$2" $net >"$LAB_DIR/attack.out" 2>"$LAB_DIR/attack.err" ||
        fail "attack.py $1: $(tail -n 2 "$LAB_DIR/attack.err")"
}

alive() {
    lab_running server || fail "$1: the server died"
    lab_running gateway || fail "$1: the gateway died"
}

# memory_bounded WHAT BEFORE: the most that the server ever had.
memory_bounded() {
    local most=$(($2 + strangers * stranger_kb + spare_kb)) peak
    peak=$(peak_kb server)
    [ "$watched" = yes ] || [ "$peak" -le "$most" ] || fail "$1: memory from $2 to $peak kB, more than $most"
    echo "$peak"
}

# connections KIND BOUND WHAT: 10,000 of them.
connections() {
    local before peak
    calls_begin
    before=$(memory_kb server)
    attack "$1" 10000 443
    [ "$(value ended attack)" -ge 9900 ] || fail "$3: few were ended: $(cat "$LAB_DIR/attack.out")"
    hit "$2"
    peak=$(memory_bounded "$3" "$before")
    alive "$3"
    calls_end "$3"
    wait_until 10 is "descriptors server" -lt 100 || fail "$3: $(descriptors server) descriptors are still open"
    ok "$3: $(tail -n 1 "$LAB_DIR/attack.out"); memory from $before to at most $peak kB"
}

stun_flood() {
    local before peak
    calls_begin
    before=$(memory_kb server)
    attack stun 20000 3478
    # 100 a second and as many at once, of two kinds; the attack takes a few seconds at most.
    [ "$(value answered attack)" -le 10000 ] || fail "STUN: $(cat "$LAB_DIR/attack.out")"
    hit max-answers-per-second
    grew server turn_bindings_limited_total
    grew server turn_challenges_limited_total
    peak=$(memory_bounded STUN "$before")
    alive STUN
    calls_end "STUN flood"
    ok "STUN flood: $(tail -n 1 "$LAB_DIR/attack.out"); memory from $before to at most $peak kB"
}

guesses() {
    local before after
    calls_begin
    before=$(memory_kb server)
    attack guess 4000 443
    [ "$(value answered attack)" -ge 3900 ] || fail "guesses: $(cat "$LAB_DIR/attack.out")"
    grew server http_upgrades_refused_total
    grew server turn_auth_errors_total
    after=$(memory_kb server)
    [ "$watched" = yes ] || [ $((after - before)) -lt 4096 ] || fail "guesses: memory from $before to $after kB"
    alive guesses
    calls_end guesses
    [ "$(grep -c 'upgrade refused' "$LAB_DIR/server.err")" -le 600 ] || fail "guesses fill the log"
    ok "guesses: $(tail -n 1 "$LAB_DIR/attack.out"); memory from $before to $after kB"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up
ip route add local ${net}0/24 dev lo
server_start --relay-ip $edge4 --max-strangers $strangers --handshake-timeout 3
gateway_start --lanes 4
watched=no
! grep -q 'no sandbox reason=".*sanitizer needs' "$LAB_DIR/server.err" || watched=yes
connections silent max-strangers "silent connections"
connections half max-strangers "half-open handshakes"
connections burst max-strangers "handshakes all at once"
connections drip max-strangers "header drips"
stun_flood
guesses
! grep 'refused a system call' "$LAB_DIR/server.err" || fail "the sandbox was in the way"
[ "$(curl -sS --cacert "$LAB_DIR/ca.pem" -o /dev/null -w '%{http_code}' https://edge.test/)" = 200 ] ||
    fail "the server accepts no more connections"
ok "the site still answers"
