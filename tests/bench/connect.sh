#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# From createOffer to connected, in Chromium on both sides, both behind firewalls that let out TCP 443 alone:
# by gateways, by sallyport's turns: and by coturn's, in turn. By addresses, not names: nobody answers at
# the lab's resolver. Called by scripts/bench.sh, which says what comes out.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/doors.sh"
# shellcheck source=tests/bench/coturn.sh
. "$(dirname "${BASH_SOURCE[0]}")/coturn.sh"
set -euo pipefail

theirs=198.51.100.3
rounds=${BENCH_ROUNDS:-7}

# measure PATH ICE: a call, as a line of JSON.
measure() {
    doors_call --a-netns "$(lab_ns a)" --b-netns "$(lab_ns b)" --seconds 1 --frames 1 --a-ice "$2" --b-ice "$2" ||
        fail "$1: the call did not come up"
    printf '{"path": "%s", "connect_ms": %s, "first_frame_ms": %s}\n' "$1" \
        "$(doors_json "$LAB_DIR/call.json" a connect_ms)" \
        "$(doors_json "$LAB_DIR/call.json" a first_frame_ms)" >&3
}

need_packages coturn
need_browsers chromium
lab_up
exec 3>&1 >&2
lab_profile a https-only
lab_profile b https-only
doors_server --relay-ip 198.51.100.2
doors_gateway a
doors_gateway b
mapfile -t options < <(coturn_options $theirs 443)
lab_spawn open coturn turnserver "${options[@]}"
coturn_wait $theirs lab_host open
coturns='[{"urls": "turns:198.51.100.3:443?transport=tcp", "username": "test", "credential": "test"}]'
for ((round = 0; round < rounds; round++)); do
    measure "sallyport, gateways" "$(doors_ice "turn:192.0.2.1:3478?transport=udp")"
    measure "sallyport, turns:" "$(doors_ice "turns:198.51.100.2:443?transport=tcp")"
    measure "coturn, turns:" "$coturns"
done
