#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# browser_row.sh NETWORK PATH SEED SECONDS VIDEO-KBPS CONGESTION-CONTROL [SERVER-CONGESTION-CONTROL]
#
# One measurement of the browser bench: a call of two Chromium in a lab of its own; quality_lab.sh explains NETWORK
# and PATH. SECONDS count from when each sees the other. Writes one JSON object. Called by browser.sh.
set -euo pipefail
# shellcheck source=tests/bench/quality_lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/quality_lab.sh"

network=$1 path=$2 seed=$3 seconds=$4 kbps=$5 cc=$6
export BUILD_DIR=${BUILD_DIR:-$root/build}
page=127.0.0.1:8443 # on each caller's own host: nothing of it crosses the links
# shellcheck disable=SC2034 # quality_lab.sh's
lab_origin=https://$page
exec 3>&1 >&2 # the result alone goes to standard output
lab_hosts "$network" "$seed" "$seconds" "$cc"
lab_path "$path" "${7:-}"

# ice_of WAY: what the pages get as iceServers.
ice_of() {
    local url
    case $1 in
        direct | ice-tcp:*) echo "[]" && return ;;
        udp:*) url="turn:${1#udp:}?transport=udp" ;;
        tls:*) url="turns:${1#tls:}?transport=tcp" ;;
    esac
    printf '[{"urls": "%s", "username": "test", "credential": "test"}]' "$url"
}

# load: processor time so far, in ticks: of a's browser, of b's, with what their processes left behind that ended;
# and of the machine, what it had, what of it was idle, and what other machines took.
load() {
    local host pid
    for host in a b; do
        for pid in $(ip netns pids "$(lab_ns $host)"); do
            cat "/proc/$pid/stat" 2>/dev/null || true
        done | awk '/ \(chrom/ { sub(/.*\) /, ""); ticks += $12 + $13 + $14 + $15 } END { print ticks }'
    done
    awk '$1 == "cpu" { for (i = 2; i <= 9; i++) all += $i; print all, $5 + $6, $9 }' /proc/stat
}

# load_between BEFORE AFTER: as a JSON object, in % of all that the machine had.
load_between() {
    awk -v cores="$(nproc)" -v before="$1" -v after="$2" 'BEGIN {
        split(before, was); n = split(after, is)
        for (i = 1; i <= n; i++) d[i] = is[i] - was[i]
        printf "{\"cores\": %d, \"busy_percent\": %.1f, \"steal_percent\": %.1f, ", cores,
            100 - 100 * d[4] / d[3], 100 * d[5] / d[3]
        printf "\"browser_percent\": [%.1f, %.1f]}", 100 * d[1] / d[3], 100 * d[2] / d[3]
    }'
}

[ -e "$LAB_DIR/cert.pem" ] || lab_cert
for host in a b; do
    lab_spawn $host pages-$host node "$root/tests/support/browser/page_server.mjs" $page \
        "$LAB_DIR/cert.pem" "$LAB_DIR/key.pem"
    lab_wait_ready pages-$host
done
# By relays alone, for the server's host lets UDP of a and b through.
policy=relay session=()
case $way in
    direct) policy=all ;;
    ice-tcp:*) policy=all session=(https://edge.test "${tickets[@]}") ;;
esac
# Nothing of the browsers' own work comes before that of the links and of what carries the media.
lab_spawn edge media nice -n 15 node "$root/tests/support/measured_call.mjs" "https://$page/measured.html" "$seconds" \
    "$kbps" "$policy" "$(ice_of "$way")" "$(lab_ns a)" "$(lab_ns b)" "${session[@]}"
lab_said ready 60
lab_said started 60
lab_note before
load_before=$(load)
lab_begin
lab_said sent $((seconds + 30))
lab_note after
load_after=$(load)
kill -TERM "$(lab_pid media)"
lab_wait media || fail "$network, $path: the call ended with status $?: $(tail -n 1 "$LAB_DIR/media.err")"
printf '{%s, "seconds": %d, "load": %s, "call": %s}\n' "$(lab_counts "$path" "$kbps")" "$seconds" \
    "$(load_between "${load_before//$'\n'/ }" "${load_after//$'\n'/ }")" "$(grep '^{' "$LAB_DIR/media.out")" >&3
