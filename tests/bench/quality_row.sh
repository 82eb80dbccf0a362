#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quality_row.sh NETWORK PATH SEED SECONDS VIDEO-KBPS CONGESTION-CONTROL
#
# One measurement of the quality bench, in a lab of its own: caller a, a link, the server, a link, caller b.
# NETWORK as quality_networks.sh says; PATH is
#
#     udp        UDP from a to b by the same two links
#     coturn     coturn, TURN over TLS from both callers
#     one-lane   sallyport, gateways beside both callers, one lane each
#     ours       the same with as many lanes as it takes by itself
#     turns      sallyport, TURN over TLS from both callers, no gateway
#
# Writes one JSON object. Called by quality.sh.
set -euo pipefail
# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
# shellcheck source=tests/support/links.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/links.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"
# shellcheck source=tests/bench/quality_networks.sh
. "$(dirname "${BASH_SOURCE[0]}")/quality_networks.sh"

# Whatever else this machine does should not look like the network.
renice -n -15 $$ >/dev/null 2>&1 || true
network=$1 path=$2 seed=$3 seconds=$4 kbps=$5 cc=$6
theirs=198.51.100.3
export BUILD_DIR=${BUILD_DIR:-$root/build}

network_read "$network" "$seconds" || die 2 "no such network: $network"
exec 3>&1 >&2 # the result alone goes to standard output
# shellcheck disable=SC2034 # links.sh's
links_seed=$seed links_cc=$cc
links_up
links_start "${words[@]}"

# programs: logs of what carries the media. targets: where a and b send.
programs=() targets=()
both() {
    targets=("$(lab_ns a),$1" "$(lab_ns b),$1")
}

server() {
    doors_server --relay-ip 198.51.100.2 --user test:test --listen-udp none
    programs=(server)
}

gateways() {
    local host
    server
    for host in a b; do
        doors_gateway "$host" --listen 192.0.2.1:3478 "$@"
        programs+=("gateway-$host")
    done
    both udp:192.0.2.1:3478
}

case $path in
    udp) targets=("$(lab_ns a),direct:10.1.0.2:4000" "$(lab_ns b),direct:10.2.0.2:4000") ;;
    coturn)
        lab_cert
        mapfile -t options < <(coturn_options $theirs 443)
        lab_spawn edge coturn turnserver "${options[@]}"
        coturn_wait $theirs lab_host edge
        programs=(coturn)
        both tls:$theirs:443
        ;;
    one-lane) gateways --lanes 1 ;;
    ours) gateways ;;
    turns)
        server
        both tls:198.51.100.2:443
        ;;
    *) die 2 "no such path: $path" ;;
esac
[ "$path" = udp ] || sleep "${BENCH_SETTLE:-2}" # all lanes are joined

# sum KEY: over both links and directions, of numbers as KEY in what the emulators count.
sum() {
    grep -o "\"$1\": [0-9]*" "$LAB_DIR/counts" | awk '{ sum += $2 } END { printf "%.0f", sum }'
}

# cpu_ns LOG: processor time of a running program, all threads.
cpu_ns() {
    cat /proc/"$(lab_pid "$1")"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# note: sets wire_bytes, and cpu of each program and of the links.
declare -A cpu
note() {
    local program
    { link_stats a && link_stats b; } >"$LAB_DIR/counts"
    wire_bytes=$(sum offered_bytes)
    for program in "${programs[@]}" link-a link-b; do
        cpu[$program]=$(cpu_ns "$program")
    done
}

# said WORD SECONDS: until the load program says it.
said() {
    local tries=$(($2 * 20))
    until grep -q "^$1" "$LAB_DIR/media.out"; do
        if ! lab_running media || ((tries-- == 0)); then
            tail -n 5 "$LAB_DIR/media.err"
            fail "$network, $path: the media program did not say $1"
        fi
        sleep 0.05
    done
}

export MEDIA_CA=$LAB_DIR/ca.pem
[ -e "$MEDIA_CA" ] || unset MEDIA_CA
lab_spawn edge media "$BUILD_DIR/tests/media_quality" "$seconds" "$seed" "$kbps" $((2 * one_way_ms)) "${targets[@]}"
said ready 30
note
declare -A cpu_before
for program in "${!cpu[@]}"; do
    cpu_before[$program]=${cpu[$program]}
done
wire_before=$wire_bytes
said started 10
[ ${#changes_a[@]} = 0 ] || link_tell a "${changes_a[@]}"
[ ${#changes_b[@]} = 0 ] || link_tell b "${changes_b[@]}"
[ ! "$bulk" ] || lab_spawn edge bulk "$BUILD_DIR/tests/bulk_download" "$seconds" cubic \
    "$(lab_ns edge),$theirs:5000" "$(lab_ns a)"
said sent $((seconds + 10))
note
[ ! "$bulk" ] || lab_wait bulk || fail "$network, $path: $(tail -n 1 "$LAB_DIR/bulk.err")"
lab_wait media || fail "$network, $path: the media program ended with status $?"

{
    printf '{"network": "%s", "path": "%s", "seed": %d, "video_kbps": %d, "cc": "%s", "commit": "%s", ' \
        "$network" "$path" "$seed" "$kbps" "$cc" "${BENCH_COMMIT:-unknown}"
    printf '"wire_bytes": %d, "cpu_ns": {' $((wire_bytes - wire_before))
    comma=""
    for program in "${programs[@]}" link-a link-b; do
        printf '%s"%s": %d' "$comma" "$program" $((cpu[$program] - cpu_before[$program]))
        comma=", "
    done
    printf '}, "events_s": [%s], ' "$(IFS=, && echo "${events[*]}")"
    printf '"bulk": %s, ' "$([ "$bulk" ] && cat "$LAB_DIR/bulk.out" || echo null)"
    printf '"links": {"a": %s, "b": %s}, ' "$(sed -n 1p "$LAB_DIR/counts")" "$(sed -n 2p "$LAB_DIR/counts")"
    printf '"media": %s}\n' "$(tail -n 1 "$LAB_DIR/media.out")"
} >&3
