#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The delay that relaying adds to a datagram: 160 bytes, 50 a second by each path as voice, and 333. All on
# one host, the paths in turn, beside two sockets with nothing in between, and beside three processes in
# between that do nothing: waking them is most of the delay on a machine that is idle.
# Called by scripts/bench.sh, which says what comes out.
# shellcheck disable=SC2119 # the gateway is as gateway_start makes it
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"

ours=198.51.100.2 theirs=198.51.100.3
count=${BENCH_COUNT:-3000}

need_commands turnutils_stunclient=coturn curl=curl openssl=openssl ip=iproute2
host_up
exec 3>&1 >&2 # results alone go to standard output
server_start --relay-ip $ours
gateway_start
host_spawn gateway-far "$client_program" --server https://edge.test --admin none --token-file "$LAB_DIR/token" \
    --ca "$LAB_DIR/ca.pem" --listen $theirs:3479
lab_wait_ready gateway-far
wait_until 10 grep -q "tunnel up" "$LAB_DIR/gateway-far.err" || fail "the far tunnel does not come up"
mapfile -t options < <(coturn_options $theirs 5349)
host_spawn coturn turnserver "${options[@]}"
coturn_wait $theirs
sleep "${BENCH_SETTLE:-3}" # lanes are joined, caches are warm

# Rarely, as a call that is alone on an idle machine, and often, as on one with work to do.
for interval in 20 3; do
    TURN_DELAY_CA=$LAB_DIR/ca.pem "${BUILD_DIR:-$root/build}/tests/turn_delay" "$count" $interval 160 \
        "direct=direct" \
        "three processes that only send on=relays:3" \
        "gateway, server, gateway=udp:192.0.2.1:3478,udp:$theirs:3479" \
        "sallyport, TURN by UDP=udp:$ours:3478" \
        "coturn, TURN by UDP=udp:$theirs:3478" \
        "sallyport, TURN by TLS=tls:$ours:443" \
        "coturn, TURN by TLS=tls:$theirs:5349" >&3
done
lab_stop gateway-far
lab_stop coturn
