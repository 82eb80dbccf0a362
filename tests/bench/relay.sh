#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# relay.sh [OPTION...]
#
# What relaying costs: sallyport and coturn under the same traffic from one generator (load.c), in turns in one run,
# each on one processor of its own, the generator on another. Processor time is that of the whole server
# process for each datagram that was delivered.
#
#   --part LIST    of rows (each path at light load, at the load where coturn begins to lose, and at the most that is
#                  carried without loss), calls (voice and video of 20 calls, as browsers send them), growth (the same
#                  load on more and more flows), memory (what is idle) and instructions (of the server's own code, by
#                  callgrind; repeatable). Default: all but the last
#   --instructions the same as --part instructions
#   --path LIST    of UDP-UDP,TCP-TCP,TLS-TLS,TLS-UDP,tunnel-tunnel,tunnel-UDP,gateway-gateway. Default: all.
#                  In X-UDP the second is a plain UDP peer; gateway: by UDP to a real gateway
#   --bytes LIST   of a datagram; default: 1200,160
#   --at RATE      of rows, instead: each path at so many datagrams a second, three times, for a machine that is seldom quiet
#   --full         growth to 10,000 flows, and memory of 10,000
#   --help         this text
#
# Called by scripts/bench.sh, which says what comes out.
# shellcheck disable=SC2119 # the gateway is as gateway_start makes it
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"

all_parts=(rows calls growth memory instructions)
all_paths=(UDP-UDP TCP-TCP TLS-TLS TLS-UDP tunnel-tunnel tunnel-UDP gateway-gateway)
parts=(rows calls growth memory) paths=("${all_paths[@]}") sizes=(1200 160) full="" at=""
host_arguments=("$@")

# one_of OPTION LIST VALUE...: the list's entries, each of which has to be one of these.
one_of() {
    local option=$1 list=$2 entry
    shift 2
    IFS=, read -ra chosen <<<"$list"
    for entry in "${chosen[@]}"; do
        [[ " $* " = *" $entry "* ]] || die 2 "$option $list: of $*, with commas"
    done
}

while [ $# -gt 0 ]; do
    case $1 in
        --part | --path | --bytes) [ $# -gt 1 ] || die 2 "$1 wants a list (--help says of what)" ;;&
        --part)
            one_of "$1" "$2" "${all_parts[@]}"
            parts=("${chosen[@]}")
            shift
            ;;
        --path)
            one_of "$1" "$2" "${all_paths[@]}"
            paths=("${chosen[@]}")
            shift
            ;;
        --bytes)
            [[ $2 =~ ^[1-9][0-9]{1,3}(,[1-9][0-9]{1,3})*$ ]] || die 2 "--bytes $2: wants numbers from 24 to 1400, with commas"
            IFS=, read -ra sizes <<<"$2"
            shift
            ;;
        --instructions) parts=(instructions) ;;
        --at)
            [[ ${2-} =~ ^[1-9][0-9]{2,5}$ ]] || die 2 "--at ${2-}: wants a number from 100 to 999999"
            at=$2
            shift
            ;;
        --full) full=yes ;;
        --help)
            usage
            exit 0
            ;;
        *) die 2 "unknown option $1 (--help names all)" ;;
    esac
    shift
done

ours=198.51.100.2 theirs=198.51.100.3
pairs=20 each=10 # pairs of each two tunnels
light=2000 seconds=1 call_s=3 search=4000-400000 growth=(10 100 1000) growth_rate=4000 growth_rounds=3 idle=1000 idle_s=2 instructions_s=2
if [ "$full" ]; then
    growth+=(10000)
    idle=10000
fi
new_s=12 # so long a call is new, and its tunnel wide: that is not what calls cost
if [ "${BENCH_QUICK-}" ]; then # that it runs is all that matters
    pairs=2 each=1 light=200 seconds=0.2 call_s=0.2 search=400-400 growth=(2 8) growth_rate=200 growth_rounds=1 idle=8 idle_s=0.2 instructions_s=0.1 new_s=0
fi

# Others have the processor of the server as little as can be, and the server not that of the generator.
server_on=() load_on=() virtual=()
if [ "$(nproc)" -gt 1 ]; then
    load_on=(taskset -c 0)
    server_on=(taskset -c 1)
fi

# What a server needs to have 10,000 tunnels of 4 lanes, if root may have that here.
files=65536
prlimit --nofile=$files true 2>/dev/null || files=$(ulimit -Hn)

# has_room PATH SERVER END-COUNT: whether the server may have a descriptor for each connection (of tunnels: four for five
# flows) and relayed address of that many ends, and some for itself. Ours needs none for addresses that are virtual.
has_room() {
    local for_ten=10
    [[ $1 != T[CL]* ]] || for_ten=20
    [[ $1 != tunnel* ]] || for_ten=18
    [ "$2" = coturn ] || [ "$1" = UDP-UDP ] || for_ten=$((for_ten - 10))
    [ $((for_ten * $3 / 10 + 100)) -le "$files" ]
}

need_commands turnutils_stunclient=coturn curl=curl openssl=openssl ip=iproute2 taskset=util-linux
[[ " ${parts[*]} " != *" instructions "* ]] || need_commands valgrind=valgrind
host_up
exec 3>&1 >&2 # results alone go to standard output
ip route add local 10.64.0.0/16 dev lo # an address for each end

# start sallyport|coturn [COMMAND...]: under that command, if any. Bounds that keep strangers off would count ours,
# too, who are all alike.
start() {
    local server=$1 options
    shift
    limits=("${server_on[@]}" prlimit "--nofile=$files" "$@")
    if [ "$server" = sallyport ]; then
        options=(--allow-peer 10.64.0.0/16 --workers 1 "${virtual[@]}")
        for bound in allocations-per-user answers-per-second tunnels-per-subject lanes-per-subject \
            flows-per-subject handshakes-per-second; do
            options+=("--max-$bound" 1000000)
        done
        server_start --relay-ip $ours --listen $ours:3478 "${options[@]}"
        ln -sf server.pid "$LAB_DIR/sallyport.pid"
    else
        mapfile -t options < <(coturn_options $theirs 443)
        host_spawn coturn "${limits[@]}" turnserver "${options[@]}" --relay-threads 1
        coturn_wait $theirs
    fi
}

stop() {
    if [ "$1" = coturn ]; then
        lab_stop coturn
    else
        rm "$LAB_DIR/sallyport.pid"
        host_stop server
    fi
    rm -f "$LAB_DIR/${1/sallyport/server}.pid"
}

# target KIND SERVER: as load.c wants it.
target() {
    local addr=$ours
    [ "$2" = sallyport ] || addr=$theirs
    case $1 in
        UDP) echo udp:$addr:3478 ;;
        TCP) echo tcp:$addr:3478 ;;
        TLS) echo tls:$addr:443 ;;
        tunnel) echo tunnel:$addr:443 ;;
        gateway) echo udp:192.0.2.1:3478 ;;
    esac
}

# load PART PATH SERVER ARGUMENT...: its lines, each with what it belongs to.
load() {
    local part=$1 path=$2 server=$3 from to
    shift 3
    from=$(target "${path%-*}" "$server")
    to=$(target "${path#*-}" "$server")
    [[ $path != *-UDP || $path = UDP-UDP ]] || to=peer
    [[ $path != gateway-* ]] || set -- "$@" gateway="$(lab_pid gateway)"
    case $part-$path in
        memory-* | instructions-*) ;;
        *-tunnel-* | *-gateway-*) set -- "$@" settle="$new_s" ;;
    esac
    say "$part: $path, $server, $*"
    timeout 300 "${load_on[@]}" "${BUILD_DIR:-$root/build}/tests/load" ca="$LAB_DIR/ca.pem" token="$LAB_DIR/token" \
        sources=10.64.0.1 server="$(lab_pid "$server")" from="$from" to="$to" "$@" >"$LAB_DIR/load.out" ||
        fail "$part, $path, $server: the generator ended with status $?"
    sed "s/^{/{\"part\": \"$part\", \"path\": \"$path\", \"server\": \"$server\", /" "$LAB_DIR/load.out" >"$LAB_DIR/lines"
    cat "$LAB_DIR/lines" >&3 # /dev/fd/3 would open a file anew, and what others write there would overwrite it
    cat "$LAB_DIR/lines"
}

# figure KEY LOAD: of what load said last.
figure() {
    sed -n 's/.*"load": "'"$2"'",.*"'"$1"'": \([0-9]*\).*/\1/p' "$LAB_DIR/load.out" | tail -n 1
}

has_coturn() {
    [[ $1 != *tunnel* && $1 != *gateway* ]]
}

# The load where coturn begins to lose, on the path that this one stands beside; without it: none.
declare -A coturn_loses=()
beside() {
    case $1 in
        tunnel-UDP) echo TLS-UDP ;;
        tunnel-tunnel) echo TLS-TLS ;;
        gateway-gateway) echo UDP-UDP ;;
        *) echo "$1" ;;
    esac
}

# At light load the delay is what matters, and at more what it costs: load.c's usage says of `reads`.
rows() {
    local size path rates more server heavy=("search=$search" reads=by-ticks)
    for size in "${sizes[@]}"; do
        for path in "${paths[@]}"; do
            local settings=("pairs=$pairs" "flows=$each" "bytes=$size" "seconds=$seconds")
            rates=light:$light
            if [ "$at" ]; then
                for server in coturn sallyport; do
                    [ $server = sallyport ] || has_coturn "$path" || continue
                    load rows "$path" $server "${settings[@]}" reads=by-ticks "rates=first:$at,second:$at,third:$at" >/dev/null
                done
                continue
            fi
            if has_coturn "$path"; then
                load rows "$path" coturn "${settings[@]}" rates=$rates >/dev/null
                load rows "$path" coturn "${settings[@]}" "${heavy[@]}" >/dev/null
                coturn_loses[$path]=$(figure rate more)
            fi
            more=${coturn_loses[$(beside "$path")]-}
            load rows "$path" sallyport "${settings[@]}" rates="$rates" >/dev/null
            load rows "$path" sallyport "${settings[@]}" "${heavy[@]}" ${more:+"rates=coturn loses:$more"} >/dev/null
        done
    done
}

# Voice evenly, video's frames as bursts: what browsers send is nothing like the even stream of the rows.
calls() {
    local path server
    for path in "${paths[@]}"; do
        for _ in first second third; do
            for server in coturn sallyport; do
                [ $server = sallyport ] || has_coturn "$path" || continue
                load calls "$path" $server pairs=$pairs flows=$each traffic=call seconds=$call_s reads=by-ticks >/dev/null
            done
        done
    done
}

# On servers of its own for each path: what a client by UDP has left behind stays for minutes. But by UDP relayed addresses are
# virtual where they can be: none of these datagrams leaves by their sockets, and there are no descriptors for 10,000 of them.
growth() {
    local path round
    for path in "${paths[@]}"; do
        [[ $path != gateway-* && $path != *-UDP ]] || [ "$path" = UDP-UDP ] || continue
        for ((round = 0; round < growth_rounds; round++)); do
            [ "$path" = UDP-UDP ] || virtual=(--relay-ports none)
            start sallyport
            virtual=()
            start coturn
            growth_round "$path"
            stop coturn
            stop sallyport
        done
    done
}

# growth_round PATH: three measurements of each number of flows, by both servers in turn.
growth_round() {
    local path=$1 flows server
    for flows in "${growth[@]}"; do
        for server in coturn sallyport; do
            [ $server = sallyport ] || has_coturn "$path" || continue
            if ! has_room "$path" $server "$flows"; then
                printf '{"part": "growth", "path": "%s", "server": "%s", "pairs": %d, "not_run": "may have %d descriptors"}\n' \
                    "$path" $server $((flows / 2)) "$files" >&3
                continue
            fi
            load growth "$path" $server pairs=$((flows / 2)) flows=$((flows > 10 ? 5 : 1)) seconds=$seconds reads=by-ticks \
                "rates=growth:$growth_rate,growth:$growth_rate,growth:$growth_rate" >/dev/null
        done
    done
}

# What is idle, on servers that have done nothing before; as many as there are descriptors for.
memory() {
    local path pairs
    for path in "${paths[@]}"; do
        [[ " UDP-UDP TLS-TLS tunnel-tunnel " = *" $path "* ]] || continue
        for server in coturn sallyport; do
            [ $server = sallyport ] || has_coturn "$path" || continue
            pairs=$((idle / 2))
            [ "$path" != TLS-TLS ] || pairs=$((idle * 2 + 100 > files ? (files - 100) / 4 : pairs))
            [ "$path" != tunnel-tunnel ] || pairs=$((idle * 4 + 100 > files ? (files - 100) / 8 : pairs))
            start $server
            load memory "$path" $server traffic=none pairs=$pairs flows=$((${#path} > 7 ? 0 : 1)) seconds=$idle_s >/dev/null
            stop $server
        done
    done
}

# instructions PATH: one at a time, and in bursts of twenty. A fixed number of datagrams, on servers of their own.
instructions() {
    local path server size tick dump
    for path in "${paths[@]}"; do
        [[ $path != gateway-* ]] || continue
        for server in coturn sallyport; do
            [ $server = sallyport ] || has_coturn "$path" || continue
            start $server valgrind --quiet --tool=callgrind --callgrind-out-file="$LAB_DIR/callgrind"
            for size in "${sizes[@]}"; do
                for tick in 1000 20000; do
                    rm -f "$LAB_DIR"/callgrind*
                    load instructions "$path" $server pairs=$pairs flows=$each bytes="$size" seconds=$instructions_s \
                        tick=$tick mark="$root/tests/bench/callgrind_mark.sh $(lab_pid $server)" rates=instructions:1000 \
                        3>/dev/null >"$LAB_DIR/line"
                    dump=$(cat "$LAB_DIR"/callgrind* | sed -n 's/^totals: //p' | sort -n | tail -n 1)
                    [ "$dump" ] || fail "callgrind has written nothing"
                    sed "s/}\$/, \"tick_us\": $tick, \"instructions\": $dump}/" "$LAB_DIR/line" >&3
                done
            done
            stop $server
        done
    done
}

for part in "${parts[@]}"; do
    case $part in
        rows | calls)
            start sallyport
            start coturn
            [[ " ${paths[*]} " != *" gateway-"* ]] || { limits=("${load_on[@]}") && gateway_start --lan 10.64.0.0/16; }
            $part
            host_stop gateway
            rm -f "$LAB_DIR/gateway.pid"
            stop coturn
            stop sallyport
            ;;
        *) $part ;;
    esac
done
