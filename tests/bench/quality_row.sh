#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quality_row.sh NETWORK PATH SEED SECONDS VIDEO-KBPS CONGESTION-CONTROL [SERVER-CONGESTION-CONTROL]
#
# One measurement of the quality bench, in a lab of its own; quality_lab.sh explains NETWORK and PATH. Writes one
# JSON object. Called by quality.sh.
set -euo pipefail
# shellcheck source=tests/bench/quality_lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/quality_lab.sh"

network=$1 path=$2 seed=$3 seconds=$4 kbps=$5 cc=$6
export BUILD_DIR=${BUILD_DIR:-$root/build}
exec 3>&1 >&2 # the result alone goes to standard output
lab_hosts "$network" "$seed" "$seconds" "$cc"
lab_path "$path" "${7:-}"

# join END HOST UFRAG:PASSWORD: takes that end of the session, as a browser there would.
join() {
    doors_api "$2" "${tickets[$1]}" PUT end --retry 3 \
        -d "{\"holder\": \"theCallerOnHost_$2\", \"ufrag\": \"${3%%:*}\", \"password\": \"${3#*:}\"}" >"$LAB_DIR/end-$2" ||
        fail "$network, $path: $2 cannot join the session"
}

# Where a and b send.
case $way in
    direct) targets=("$(lab_ns a),direct:10.1.0.2:4000" "$(lab_ns b),direct:10.2.0.2:4000") ;;
    ice-tcp:*)
        ice_a=callerA:thePasswordOfTheCallerA ice_b=callerB:thePasswordOfTheCallerB
        join 0 a $ice_a
        join 1 b $ice_b
        targets=("$(lab_ns a),$way,$ice_a,$ice_b" "$(lab_ns b),$way,$ice_b,$ice_a")
        ;;
    *) targets=("$(lab_ns a),$way" "$(lab_ns b),$way") ;;
esac
export MEDIA_CA=$LAB_DIR/ca.pem
[ -e "$MEDIA_CA" ] || unset MEDIA_CA
# shellcheck disable=SC2154 # quality_networks.sh's
lab_spawn edge media "$BUILD_DIR/tests/media_quality" "$seconds" "$seed" "$kbps" $((2 * one_way_ms)) "${targets[@]}"
lab_said ready 30
lab_note before
lab_said started 10
lab_begin
lab_said sent $((seconds + 10))
lab_note after
lab_wait media || fail "$network, $path: the media program ended with status $?"
printf '{%s, "media": %s}\n' "$(lab_counts "$path" "$kbps")" "$(tail -n 1 "$LAB_DIR/media.out")" >&3
