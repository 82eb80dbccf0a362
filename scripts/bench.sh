#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench.sh [--quick] [BENCH...]
# bench.sh quality|browser|relay [OPTION...]
#
# Measures sallyport beside Debian's coturn, in one run on this machine, and prints a table for each
# bench. Only ratios within one run mean anything: let nothing else run meanwhile.
#
#   delay     what relaying adds to a datagram: gateway, server and gateway, and
#             TURN by UDP and TLS, beside processes that do nothing, now and then and often (2 minutes)
#   connect   from createOffer to connected and to the first picture in Chromium (3 minutes)
#   sessions  the same by rendezvous sessions, on links of 30 ms, beside TURN over TLS and the direct call (4 minutes)
#   quality   delay and loss of voice and video on links that delay and lose, by plain UDP, coturn and
#             sallyport (50 minutes; goes on where it was ended). Its options choose what to measure:
#             bench.sh quality --network 30ms-2% --path udp,ours --seconds 10 --seeds 1
#             bench.sh quality --help names all; with --plots it draws them, too
#   browser   frames, freezes, jitter buffers and bit rate of a call of two Chromium on such links, by the same
#             paths (25 minutes; goes on where it was ended). The same options, but for --plots
#
#   relay     what a datagram costs the server: processor time, loss, delay by every path at several loads, of calls, growth
#             with the number of flows, memory of what is idle (14 minutes). Its options choose, and
#             bench.sh relay --instructions
#             counts instructions instead: repeatable, from commit to commit (15 minutes)
#             bench.sh relay --help names all
#
#   BENCH     default: delay and connect
#   --quick   a few rounds, to see that it runs: the figures mean nothing, and lie in build/bench/quick
#   --help    this text
#
# Everything happens in network namespaces of its own. Needs root; installs the packages that are
# missing. What was measured stays in build/bench/BENCH.json, an object a line. Exit status: 0 all was
# measured, 1 something failed, 2 wrong use.

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all_benches=(delay connect sessions quality browser relay)
benches=()
options=() # of quality, browser or relay
folder=$root/build/bench
plots="" incomplete=0
while [ $# -gt 0 ]; do
    case $1 in
        --quick)
            export BENCH_COUNT=50 BENCH_SETTLE=1 BENCH_ROUNDS=1 BENCH_QUICK=yes
            folder=$root/build/bench/quick
            ;;
        --help)
            usage
            exit 0
            ;;
        quality | browser | relay)
            benches+=("$1")
            for option in "${@:2}"; do
                if [ "$1 $option" = "quality --plots" ]; then plots=yes; else options+=("$option"); fi
            done
            break
            ;;
        *)
            [[ " ${all_benches[*]} " = *" $1 "* ]] ||
                die 2 "unknown bench $1: there are ${all_benches[*]} (--help says more)"
            benches+=("$1")
            ;;
    esac
    shift
done
[ ${#benches[@]} -gt 0 ] || benches=(delay connect)
[[ " ${options[*]-} " != *" --help "* ]] || exec "$root/tests/bench/${benches[-1]}.sh" --help
[ "$(id -u)" = 0 ] || die 2 "needs root, to make network namespaces"

# machine: what the figures belong to.
machine() {
    local cpu commit
    cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
    echo "$(nproc) x ${cpu:-unknown processor}, Linux $(uname -r), commit $commit," \
        "coturn $(dpkg-query -W -f='${Version}' coturn), $(date -u +%Y-%m-%d)"
}

if [ -z "${BUILD_DIR-}" ]; then
    say "building"
    "$root/scripts/build.sh" --tests >/dev/null
    export BUILD_DIR=$root/build
fi
need_packages iproute2 iptables procps openssl curl coturn python3 util-linux
[[ " ${benches[*]} " != *" browser "* && " ${benches[*]} " != *" sessions "* ]] || need_browsers chromium
mkdir -p "$folder"
export BENCH_FOLDER=$folder
machine
for bench in "${benches[@]}"; do
    results=$folder/$bench.json
    say "measuring: $bench"
    status=0
    "$root/tests/bench/$bench.sh" "${options[@]}" >"$results.part" || status=$?
    [ $status != 2 ] || exit 2
    # 3: rows are missing, and shown as that.
    [ $status = 0 ] || [ $status = 3 ] || die 1 "$bench failed"
    mv "$results.part" "$results"
    printf '\n%s\n\n' "$bench"
    "$root/tests/bench/report.py" "$bench" <"$results"
    [ $status = 0 ] || incomplete=1
    if [ "$bench" = quality ] && [ "$plots" ]; then
        need_commands gnuplot=gnuplot-nox
        "$root/tests/bench/plot.py" "$folder/plots" <"$results"
        say "plots are in $folder/plots"
    fi
done
exit $incomplete
