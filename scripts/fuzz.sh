#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fuzz.sh [--keep] [NAME|all [SECONDS]]
#
# Fuzzes tests/fuzz/fuzz_NAME.c, or all targets in turn (the default), for 60 seconds each or as many as given,
# starting from the corpus in the tree and from what earlier runs added to it in build/fuzz/corpus. Says of each how
# often it ran, what it covers and whether it found anything; what it found can be run again as the line says. The
# exit status is 1 when there was something.
#
#   --keep   afterwards adds to tests/fuzz/corpus/NAME the new inputs that reach what none there reaches,
#            each as small as libFuzzer found it
#   --help   this text
#
# Builds the preset fuzz, and installs clang for it if it has to. What a run found and what was mended belongs into
# tests/fuzz/corpus/NAME: there it is a test ever after (replay_NAME, label fuzz-corpus).

set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

keep=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=1 ;;
        --help)
            usage
            exit 0
            ;;
        -*) die 2 "unknown option $1: allowed are --keep, --help" ;;
        *) break ;;
    esac
    shift
done
name=${1:-all}
seconds=${2:-60}
names=()
for file in "$root"/tests/fuzz/fuzz_*.c; do
    file=${file##*/fuzz_}
    names+=("${file%.c}")
done
[ $# -le 2 ] || die 2 "too many arguments: fuzz.sh [--keep] [NAME|all [SECONDS]]"
[[ " all ${names[*]} " = *" $name "* ]] || die 2 "unknown target $name: there are ${names[*]}"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die 2 "$seconds: wants a number of seconds, at least 1"
[ "$name" = all ] || names=("$name")

"$root/scripts/build.sh" --preset fuzz >/dev/null
cd "$root"
build=build/fuzz

# of LOG KEY: a figure of libFuzzer's final statistics.
of() {
    sed -n "s/^stat::$2: *//p" "$1"
}

# fuzz NAME: for $seconds; fails when something was found.
fuzz() {
    local new=$build/corpus/$1 found=$build/found/$1 log=$build/fuzz-$1.log status=0 dictionary=()
    mkdir -p "$new" "$found"
    [ ! -f "tests/fuzz/$1.dict" ] || dictionary=(-dict="tests/fuzz/$1.dict")
    "$build/tests/fuzz_$1" -max_total_time="$seconds" -timeout=25 -print_final_stats=1 -artifact_prefix="$found/" \
        "${dictionary[@]}" "$new" "tests/fuzz/corpus/$1" >"$log" 2>&1 || status=$?
    printf '%-12s %9s runs, %6s/s; %s\n' "$1" "$(of "$log" number_of_executed_units)" \
        "$(of "$log" average_exec_per_sec)" "$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -n 1)"
    [ "$status" != 0 ] || return 0
    grep -E '^(==[0-9]+==ERROR|SUMMARY|.*does not hold|.*runtime error)' "$log" | head -n 5 | sed 's/^/  /'
    echo "  found something: all of it is in $log; again:"
    echo "      $build/tests/fuzz_$1 $(sed -n 's/^artifact_prefix=.*Test unit written to //p' "$log" | tail -n 1)"
    return 1
}

# merge NAME: new inputs into the tree.
merge() {
    local before after
    before=$(find "tests/fuzz/corpus/$1" -type f | wc -l)
    "$build/tests/fuzz_$1" -merge=1 "tests/fuzz/corpus/$1" "$build/corpus/$1" >"$build/merge-$1.log" 2>&1 ||
        die 1 "$1: merging failed: $build/merge-$1.log"
    after=$(find "tests/fuzz/corpus/$1" -type f | wc -l)
    echo "$1: $((after - before)) inputs added to tests/fuzz/corpus/$1"
}

status=0
for name in "${names[@]}"; do
    mkdir -p "tests/fuzz/corpus/$name"
    fuzz "$name" || status=1
    [ ! "$keep" ] || merge "$name"
done
exit "$status"
