# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The hosts of one row of the benches quality and browser, what carries the media between them, and what is
# counted beside it. Source it, don't run it. NETWORK is as quality_networks.sh says; PATH is
#
#     udp        UDP from a to b by the same two links
#     coturn     coturn, TURN over TLS from both callers
#     one-lane   sallyport, gateways beside both callers, one lane each
#     ours       the same with as many lanes as it takes by itself
#     turns      sallyport, TURN over TLS from both callers, no gateway
#     ice-tcp    sallyport, a rendezvous session to which both callers come by ICE-TCP; no gateway, no TURN
#
# In this order:
#
#     lab_hosts NETWORK SEED SECONDS CC   caller a, a link, the server, a link, caller b
#     lab_path PATH [SERVER-CC]           what carries the media, the server with that --turn-congestion where that counts;
#                                         $way is how callers come: direct, or
#                                         udp:ADDR:PORT or tls:ADDR:PORT of a TURN server that knows test:test, or
#                                         ice-tcp:ADDR:PORT of one that knows a session, with these tickets: $tickets;
#                                         its API answers pages of $lab_origin
#     lab_said ready 30                   until the load, spawned as log "media", says that
#     lab_note before
#     lab_begin                           the media started: now NETWORK's changes and its download begin
#     lab_note after
#     lab_counts PATH KBPS                after both: what belongs to every row, as members of a JSON object

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
# shellcheck source=tests/support/links.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/links.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"
# shellcheck source=tests/bench/quality_networks.sh
. "$(dirname "${BASH_SOURCE[0]}")/quality_networks.sh"

lab_theirs=198.51.100.3
lab_programs=() # logs of what carries the media
declare -A lab_noted

lab_hosts() {
    # Whatever else this machine does should not look like the network.
    renice -n -15 $$ >/dev/null 2>&1 || true
    lab_network=$1 lab_seed=$2 lab_seconds=$3
    network_read "$1" "$3" || die 2 "no such network: $1"
    # shellcheck disable=SC2034 # links.sh's
    links_seed=$2 links_cc=$4
    links_up
    links_start "${words[@]}"
}

lab_path() {
    lab_server_cc=${2:-auto}
    case $1 in
        udp) way=direct ;;
        coturn)
            lab_cert
            mapfile -t options < <(coturn_options $lab_theirs 443)
            lab_spawn edge coturn turnserver "${options[@]}"
            coturn_wait $lab_theirs lab_host edge
            lab_programs=(coturn)
            way=tls:$lab_theirs:443
            ;;
        one-lane) _lab_gateways --lanes 1 ;;
        ours) _lab_gateways ;;
        turns)
            _lab_server --turn-congestion "$lab_server_cc"
            way=tls:198.51.100.2:443
            ;;
        ice-tcp)
            _lab_server --serve ice-tcp,api,site --turn-congestion "$lab_server_cc" ${lab_origin:+--origin "$lab_origin"}
            _lab_session
            # No way is shorter: callers reach the server, and not each other.
            _lab_sysctl edge net/ipv4/ip_forward 0
            way='ice-tcp:198.51.100.2:443'
            ;;
        *) die 2 "no such path: $1" ;;
    esac
    [ "$way" = direct ] || sleep "${BENCH_SETTLE:-2}" # all lanes are joined
}

_lab_server() {
    doors_server --relay-ip 198.51.100.2 --user test:test --listen-udp none "$@"
    lab_programs=(server)
}

# What the server's half of turns and ice-tcp goes by: what was wanted, unless the server said that it is not to be had.
_lab_server_cc() {
    if grep -q 'congestion control for .* reason=' "$LAB_DIR/server.err"; then echo system; else echo "$lab_server_cc"; fi
}

# A ticket for each caller.
_lab_session() {
    local maker
    maker=$(doors_token bench --scope session)
    doors_api edge "$maker" POST sessions -d '{}' >"$LAB_DIR/session" || fail "no session"
    # shellcheck disable=SC2034 # for who calls this
    tickets=("$(doors_json "$LAB_DIR/session" ends 0 ticket)" "$(doors_json "$LAB_DIR/session" ends 1 ticket)")
}

_lab_gateways() {
    local host
    _lab_server
    for host in a b; do
        doors_gateway "$host" --listen 192.0.2.1:3478 "$@"
        lab_programs+=("gateway-$host")
    done
    way=udp:192.0.2.1:3478
}

# lab_said WORD SECONDS
lab_said() {
    local tries=$(($2 * 20))
    until grep -q "^$1" "$LAB_DIR/media.out"; do
        if ! lab_running media || ((tries-- == 0)); then
            tail -n 5 "$LAB_DIR/media.err"
            fail "$lab_network: the media program did not say $1"
        fi
        sleep 0.05
    done
}

lab_begin() {
    [ ${#changes_a[@]} = 0 ] || link_tell a "${changes_a[@]}"
    [ ${#changes_b[@]} = 0 ] || link_tell b "${changes_b[@]}"
    [ ! "$bulk" ] || lab_spawn edge bulk "$BUILD_DIR/tests/bulk_download" "$lab_seconds" cubic \
        "$(lab_ns edge),$lab_theirs:5000" "$(lab_ns a)"
}

# lab_note WHEN: what was on the links by now, and processor time of each program and of the links.
lab_note() {
    local program
    { link_stats a && link_stats b; } >"$LAB_DIR/counts"
    lab_noted[$1.wire]=$(_lab_sum offered_bytes)
    for program in "${lab_programs[@]}" link-a link-b; do
        lab_noted[$1.$program]=$(lab_cpu_ns "$(lab_pid "$program")")
    done
}

# Over both links and directions, of numbers as KEY in what the emulators count.
_lab_sum() {
    grep -o "\"$1\": [0-9]*" "$LAB_DIR/counts" | awk '{ sum += $2 } END { printf "%.0f", sum }'
}

# lab_cpu_ns PID...: processor time of running programs, all threads.
lab_cpu_ns() {
    local pid
    for pid; do
        cat "/proc/$pid"/task/*/schedstat 2>/dev/null || true
    done | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

lab_counts() {
    local program comma=""
    [ ! "$bulk" ] || lab_wait bulk || fail "$lab_network, $1: $(tail -n 1 "$LAB_DIR/bulk.err")"
    printf '"network": "%s", "path": "%s", "seed": %d, "video_kbps": %d, "cc": "%s", "commit": "%s", ' \
        "$lab_network" "$1" "$lab_seed" "$2" "$links_cc" "${BENCH_COMMIT:-unknown}"
    case $1 in turns | ice-tcp) printf '"server_cc": "%s", ' "$(_lab_server_cc)" ;; esac
    printf '"wire_bytes": %d, "cpu_ns": {' $((${lab_noted[after.wire]} - ${lab_noted[before.wire]}))
    for program in "${lab_programs[@]}" link-a link-b; do
        printf '%s"%s": %d' "$comma" "$program" \
            $((${lab_noted[after.$program]} - ${lab_noted[before.$program]}))
        comma=", "
    done
    printf '}, "events_s": [%s], ' "$(IFS=, && echo "${events[*]}")"
    printf '"bulk": %s, ' "$([ "$bulk" ] && cat "$LAB_DIR/bulk.out" || echo null)"
    printf '"links": {"a": %s, "b": %s}' "$(sed -n 1p "$LAB_DIR/counts")" "$(sed -n 2p "$LAB_DIR/counts")"
}
