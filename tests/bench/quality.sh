#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quality.sh [OPTION...]
#
# How well voice and video do by each path on links that delay and lose; scripts/bench.sh quality runs it.
# Every measured row is kept, by commit, network, path, rate, congestion control, time and seed, so a run that
# was ended goes on where it was, and what was measured once is shown at once.
#
#     --network LIST    of names as 30ms-2% (tests/bench/quality_networks.sh), with commas; default: six
#     --path LIST       of udp,coturn,one-lane,ours,turns; default: all
#     --cc NAME         TCP's congestion control on all hosts, as cubic or bbr; default: cubic
#     --video LIST      kbit/s of video; default: 2000
#     --seconds N       of media in each row; default: 30
#     --seeds N         rows of each kind, with seeds 1 to N; default: 3
#     --full            more networks, and 500 and 6000 kbit/s on the six
#     --minutes N       begin no row later than that; what is left is "not run"
#     --again           measure also what was measured before
#     --show            measure nothing: only what is there
#
# The commit is that which last changed sallyport's programs, and rows of udp and coturn do not depend on it; all
# depend on what the bench itself is made of.
# Writes one JSON object a row to standard output, also for rows that were not run. Exit status: 0 all is
# there, 3 some rows were not run or failed, 2 wrong use.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=tests/bench/quality_networks.sh
. "$(dirname "${BASH_SOURCE[0]}")/quality_networks.sh"

all_paths=(udp coturn one-lane ours turns)
networks=("${quality_networks[@]}") paths=("${all_paths[@]}") rates=(2000)
cc=cubic seconds=30 seeds=3 full="" again="" show="" until=""
kept=${BENCH_FOLDER:-$root/build/bench}/quality
export BUILD_DIR=${BUILD_DIR:-$root/build}

# whole TEXT MIN MAX OPTION: dies unless it is a number in these bounds.
whole() {
    if ! [[ $1 =~ ^[0-9]+$ ]] || [ "$1" -lt "$2" ] || [ "$1" -gt "$3" ]; then
        die 2 "$4 $1: from $2 to $3"
    fi
}

while [ $# -gt 0 ]; do
    case $1 in
        --network | --path | --cc | --video | --seconds | --seeds | --minutes)
            [ $# -gt 1 ] || die 2 "$1 wants a value (--help says more)"
            IFS=, read -r -a list <<<"$2"
            ;;&
        --network) networks=("${list[@]}") ;;
        --path) paths=("${list[@]}") ;;
        --cc) cc=$2 ;;
        --video) rates=("${list[@]}") ;;
        --seconds) whole "$2" 2 240 "$1" && seconds=$2 ;;
        --seeds) whole "$2" 1 1000 "$1" && seeds=$2 ;;
        --minutes) whole "$2" 1 10000 "$1" && until=$(($(date +%s) + $2 * 60)) ;;
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
        --network | --path | --cc | --video | --seconds | --seeds | --minutes) shift ;;
    esac
    shift
done
for path in "${paths[@]}"; do
    [[ " ${all_paths[*]} " = *" $path "* ]] || die 2 "--path $path: there are ${all_paths[*]}"
done
for network in "${networks[@]}"; do
    network_read "$network" "$seconds" ||
        die 2 "--network $network: want a name as ${quality_networks[*]} (tests/bench/quality_networks.sh)"
done
[[ " $(cat /proc/sys/net/ipv4/tcp_available_congestion_control) " = *" $cc "* ]] ||
    die 2 "--cc $cc: this kernel has $(cat /proc/sys/net/ipv4/tcp_available_congestion_control)"
for rate in "${rates[@]}"; do
    whole "$rate" 50 50000 --video
done

# ---- what rows are kept by -----------------------------------------------------------------------------

# The commit that last changed the programs; of uncommitted changes what was built of them.
programs=(src include client server CMakeLists.txt scripts/cmake)
commit=$(git -C "$root" log -1 --format=%h -- "${programs[@]}" 2>/dev/null || echo unknown)
if [ "$(git -C "$root" status --porcelain -- "${programs[@]}" 2>/dev/null)" ]; then
    commit+=+$(cat "$BUILD_DIR"/sallyport-{server,client} | sha256sum | cut -c 1-7)
fi
export BENCH_COMMIT=$commit

bench_id=bench-$(cd "$root/tests" && cat bench/{media_quality,bulk_download}.c bench/quality_{row,networks}.sh \
    bench/coturn.sh support/{link_*,media_*,turn_end}.[ch] support/links.sh | sha256sum | cut -c 1-7)

# row_file NETWORK PATH RATE SEED
row_file() {
    local by=$bench_id/$commit
    case $2 in udp | coturn) by=$bench_id/peers ;; esac
    echo "$kept/$by/$1,$2,$3k,$cc,${seconds}s,seed$4.json"
}

# ---- measuring -----------------------------------------------------------------------------------------

# Whoever ends this ends the row, too, which cleans up behind itself.
row_pid="" part=""
end_row() {
    if [ "$row_pid" ] && kill -TERM "$row_pid" 2>/dev/null; then wait "$row_pid" || true; fi
    [ ! "$part" ] || rm -f "$part"
    exit "$1"
}
trap 'end_row 130' INT
trap 'end_row 143' TERM

# Twice before it is given up: on a bad link a connection may fail to come up.
measure() {
    local file=$5 try
    mkdir -p "${file%/*}"
    part=$file.part.$$
    for try in 1 2; do
        say "$1, $2, $3 kbit/s, $cc, seed $4"
        timeout $((seconds + 90)) "$root/tests/bench/quality_row.sh" "$1" "$2" "$4" "$seconds" "$3" "$cc" \
            >"$part" &
        row_pid=$!
        if wait $row_pid; then
            mv "$part" "$file"
            return
        fi
        rm -f "$part"
        say "$1, $2, seed $4: failed ($try)"
    done
}

not_run=0
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

for rate in "${rates[@]}"; do
    rows "$rate" "${networks[@]}"
done
if [ "$full" ]; then
    rows 2000 "${quality_more_networks[@]}"
    for rate in 500 6000; do
        rows "$rate" "${quality_networks[@]}"
    done
fi
[ $not_run = 0 ] || {
    say "$not_run rows were not run"
    exit 3
}
