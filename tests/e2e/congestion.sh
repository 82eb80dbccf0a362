#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who comes without a gateway, by TURN over TLS on links with delay: the server's half of the connection has the
# system's congestion control where nothing is lost, BBR soon after the link has begun to lose packets, and what
# --turn-congestion names whatever the link does.
# machine: shared
# timeout: 180

# shellcheck source=tests/bench/quality_lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../bench/quality_lab.sh"
set -euo pipefail

links_need
need_commands ss=iproute2
modprobe -q tcp_bbr 2>/dev/null || true
grep -qw bbr /proc/sys/net/ipv4/tcp_allowed_congestion_control || skip "this kernel has no BBR"

# goes_by NAME: the connections of both callers, each of them.
goes_by() {
    local halves
    halves=$(lab_host edge ss -tinH state established "sport = :443" | grep -oE "(cubic|bbr|reno) wscale" || true)
    [ "$(echo "$halves" | sort | uniq -c | xargs)" = "2 $1 wscale" ]
}

# call [SERVER-CC]: begins one that goes on for the rest of the lab.
call() {
    lab_hosts 10ms-0% 1 30 cubic
    lab_path turns "$@"
    export MEDIA_CA=$LAB_DIR/ca.pem
    lab_spawn edge media "$BUILD_DIR/tests/media_quality" 30 1 1000 40 "$(lab_ns a),$way" "$(lab_ns b),$way"
    lab_said started 30
}

loses() {
    link_tell a "both loss=$1"
    link_tell b "both loss=$1"
}

export BUILD_DIR=${BUILD_DIR:-$root/build}
(
    call auto
    sleep 3
    goes_by cubic || fail "where nothing is lost: $(lab_host edge ss -tinH)"
    loses 4%
    wait_until 20 goes_by bbr || fail "where packets are lost: $(lab_host edge ss -tinH)"
)
ok "BBR where packets are lost, and only there"
(
    call system
    loses 4%
    sleep 8
    goes_by cubic || fail "--turn-congestion system: $(lab_host edge ss -tinH)"
)
ok "the system's, where that is wanted"
(
    call reno
    goes_by reno || fail "--turn-congestion reno: $(lab_host edge ss -tinH)"
)
ok "another one that is named"
