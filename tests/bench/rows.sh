# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the benches quality and browser share: their options (quality.sh explains them), rows that are measured one
# by one and kept, and rows that were not run. Source it, don't run it. Then:
#
#     rows_row=quality_row.sh       measures one row: NETWORK PATH SEED SECONDS VIDEO-KBPS CONGESTION-CONTROL
#                                   [the server's --turn-congestion]
#     rows_made_of=(FILE...)        the files of tests/ that figures depend on, beside those that both have
#     rows_with=TEXT                what else they depend on
#     rows_seeds=3                  default of --seeds, if not 1
#     rows_full_rates=(500 6000)    what --full adds for the networks that are always measured
#     rows_main "$@"

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=tests/bench/quality_networks.sh
. "$(dirname "${BASH_SOURCE[0]}")/quality_networks.sh"

rows_paths=(udp coturn one-lane ours turns ice-tcp)
rows_row="" rows_made_of=() rows_with="" rows_seeds=1 rows_full_rates=()
networks=("${quality_networks[@]}") paths=("${rows_paths[@]}") rates=(2000)
cc=cubic server_cc=${SALLYPORT_TURN_CONGESTION:-auto} seconds=30 full="" again="" show="" until="" tries=3 not_run=0
row_pid="" part=""
export BUILD_DIR=${BUILD_DIR:-$root/build}

rows_main() {
    seeds=$rows_seeds
    rows_options "$@"
    rows_check
    rows_keys
    # Whoever ends this ends the row, too, which cleans up behind itself.
    trap 'rows_end 130' INT
    trap 'rows_end 143' TERM
    local rate
    for rate in "${rates[@]}"; do
        rows "$rate" "${networks[@]}"
    done
    if [ "$full" ]; then
        rows 2000 "${quality_more_networks[@]}"
        for rate in "${rows_full_rates[@]}"; do
            rows "$rate" "${quality_networks[@]}"
        done
    fi
    [ $not_run = 0 ] || {
        say "$not_run rows were not run"
        exit 3
    }
}

# ---- options -------------------------------------------------------------------------------------------

# whole TEXT MIN MAX OPTION: dies unless it is a number in these bounds.
whole() {
    if ! [[ $1 =~ ^[0-9]+$ ]] || [ "$1" -lt "$2" ] || [ "$1" -gt "$3" ]; then
        die 2 "$4 $1: from $2 to $3"
    fi
}

rows_options() {
    local list
    while [ $# -gt 0 ]; do
        case $1 in
            --network | --path | --cc | --server-cc | --video | --seconds | --seeds | --minutes | --tries)
                [ $# -gt 1 ] || die 2 "$1 wants a value (--help says more)"
                IFS=, read -r -a list <<<"$2"
                ;;&
            --network) networks=("${list[@]}") ;;
            --path) paths=("${list[@]}") ;;
            --cc) cc=$2 ;;
            --server-cc) server_cc=$2 ;;
            --video) rates=("${list[@]}") ;;
            --seconds) whole "$2" 2 240 "$1" && seconds=$2 ;;
            --seeds) whole "$2" 1 1000 "$1" && seeds=$2 ;;
            --minutes) whole "$2" 1 10000 "$1" && until=$(($(date +%s) + $2 * 60)) ;;
            --tries) whole "$2" 1 100 "$1" && tries=$2 ;;
            --full) full=yes ;;
            --again) again=yes ;;
            --show) show=yes ;;
            --help)
                usage
                exit 0
                ;;
            *) die 2 "unknown option $1 (--help says which there are)" ;;
        esac
        case $1 in
            --network | --path | --cc | --server-cc | --video | --seconds | --seeds | --minutes | --tries) shift ;;
        esac
        shift
    done
}

rows_check() {
    local path network rate
    for path in "${paths[@]}"; do
        [[ " ${rows_paths[*]} " = *" $path "* ]] || die 2 "--path $path: there are ${rows_paths[*]}"
    done
    for network in "${networks[@]}"; do
        network_read "$network" "$seconds" ||
            die 2 "--network $network: want a name as ${quality_networks[*]} (tests/bench/quality_networks.sh)"
    done
    local have
    have=$(cat /proc/sys/net/ipv4/tcp_available_congestion_control)
    [[ " $have " = *" $cc "* ]] || die 2 "--cc $cc: this kernel has $have"
    [[ " $have auto system " = *" $server_cc "* ]] ||
        die 2 "--server-cc $server_cc: auto, system, or what this kernel has: $have"
    for rate in "${rates[@]}"; do
        whole "$rate" 50 50000 --video
    done
}

# ---- what rows are kept by -----------------------------------------------------------------------------

rows_keys() {
    # The commit that last changed the programs, and not just a page beside them; of uncommitted changes what was
    # built of them.
    local programs=(src include client server CMakeLists.txt scripts/cmake ':(exclude)*.md')
    commit=$(git -C "$root" log -1 --format=%h -- "${programs[@]}" 2>/dev/null || echo unknown)
    if [ "$(git -C "$root" status --porcelain -- "${programs[@]}" 2>/dev/null)" ]; then
        commit+=+$(cat "$BUILD_DIR"/sallyport-{server,client} | sha256sum | cut -c 1-7)
    fi
    export BENCH_COMMIT=$commit
    bench_id=bench-$(cd "$root/tests" && {
        cat "bench/$rows_row" "${rows_made_of[@]}" bench/bulk_download.c bench/quality_{lab,networks}.sh \
            bench/coturn.sh support/link_*.[ch] support/links.sh &&
            echo "$rows_with"
    } | sha256sum | cut -c 1-7)
    kept=${BENCH_FOLDER:-$root/build/bench}/${rows_row%_row.sh}
}

# row_file NETWORK PATH RATE SEED
row_file() {
    local by=$bench_id/$commit half=""
    case $2 in
        udp | coturn) by=$bench_id/peers ;;
        turns | ice-tcp) half=,server-$server_cc ;;
    esac
    echo "$kept/$by/$1,$2,$3k,$cc$half,${seconds}s,seed$4.json"
}

# ---- measuring -----------------------------------------------------------------------------------------

rows_end() {
    if [ "$row_pid" ] && kill -TERM "$row_pid" 2>/dev/null; then wait "$row_pid" || true; fi
    [ ! "$part" ] || rm -f "$part"
    exit "$1"
}

# Once more when it failed: on a bad link a connection may fail to come up. And when others had the machine, whatever
# came of it; the last one is kept, and the report says of it that the machine was busy.
measure() {
    local file=$5 try failed=0
    mkdir -p "${file%/*}"
    part=$file.part.$$
    for ((try = 1; try <= tries; try++)); do
        say "$1, $2, $3 kbit/s, $cc, seed $4"
        timeout $((seconds + 90)) "$root/tests/bench/$rows_row" "$1" "$2" "$4" "$seconds" "$3" "$cc" "$server_cc" \
            >"$part" &
        row_pid=$!
        if wait $row_pid; then
            mv "$part" "$file"
            ! "$root/tests/bench/report.py" calm <"$file" || return 0
            say "$1, $2, seed $4: the machine was busy ($try)"
        else
            rm -f "$part"
            failed=$((failed + 1))
            say "$1, $2, seed $4: failed ($failed)"
            [ $failed -lt 2 ] || return 0
            try=$((try - 1))
        fi
    done
}

row() {
    local file
    file=$(row_file "$@")
    if [ ! "$show" ] && { [ "$again" ] || [ ! -s "$file" ]; } &&
        { [ ! "$until" ] || [ "$(date +%s)" -lt "$until" ]; }; then
        measure "$@" "$file"
    fi
    if [ -s "$file" ]; then
        cat "$file"
    else
        not_run=$((not_run + 1))
        printf '{"network": "%s", "path": "%s", "video_kbps": %d, "seed": %d, "cc": "%s", "not_run": true}\n' "$@" "$cc"
    fi
}

# rows RATE NETWORK...: all paths and seeds; a seed of everything before the next seed.
rows() {
    local rate=$1 seed network path
    shift
    for ((seed = 1; seed <= seeds; seed++)); do
        for network; do
            for path in "${paths[@]}"; do
                row "$network" "$path" "$rate" "$seed"
            done
        done
    done
}
