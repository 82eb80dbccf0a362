# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Calls that go on while others misbehave, for tests on one host (one-host.sh). Source it, don't run it. The
# server's address is $edge4.
#
# shellcheck disable=SC2154 # support is one-host.sh's

# calls_begin: one through the gateway, by UDP and TCP, one without it, by UDP and TLS.
calls_begin() {
    host_spawn call-gateway "$support/turn_pair.py" udp:192.0.2.1:3478 tcp:127.0.0.1:3478
    host_spawn call-server "$support/turn_pair.py" "udp:$edge4:3478" "tls:$edge4:443"
    lab_wait_ready call-gateway
    lab_wait_ready call-server
}

# calls_end WHAT: nothing was lost, nor ever held up for long.
calls_end() {
    local call text
    kill -TERM "$(lab_pid call-gateway)" "$(lab_pid call-server)"
    for call in call-gateway call-server; do
        lab_wait $call || fail "$1: $call failed: $(cat "$LAB_DIR/$call.err")"
        text=$(tail -n 1 "$LAB_DIR/$call.out")
        [ "$(value sent $call)" -ge 100 ] || fail "$1: $call hardly sent anything: $text"
        [[ $text == *" lost=0 twice=0 altered=0 "*" kept=yes" ]] || fail "$1: $call: $text"
        [ "$(value gap_ms $call)" -lt 1000 ] || fail "$1: $call was held up: $text"
    done
}

# grew METRIC: more than when it was called last.
declare -A metrics
grew() {
    local now
    now=$(metric "$1" "$2")
    [ "$now" -gt "${metrics[$1 $2]-0}" ] || fail "${3-nobody} counted in $1 $2: still $now"
    metrics["$1 $2"]=$now
}

alive() {
    lab_running server || fail "$1: the server died"
    lab_running gateway || fail "$1: the gateway died"
}
