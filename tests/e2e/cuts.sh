#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Connections to port 443 that are cut, at each stage of whatever they had begun: nothing stays of them, no
# descriptor, no tunnel, no allocation, and no memory.
# machine: shared
# sanitizers: yes
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2
times=100
# A hundred that leave nothing add no more than this. Some of the first do, and make what is kept for the next;
# what is lost each time never comes to rest.
spare_kb=64 rounds=6

nothing_left() {
    [ "$(descriptors server)" = "$open" ] && [ "$(metric server tunnels)" = 0 ] && [ "$(metric server allocations)" = 0 ]
}

# round STAGE: cuts so many there, and waits until all of it has gone.
round() {
    timeout 50 "$support/cuts.py" $edge4 "$LAB_DIR/token" "$1" $times >"$LAB_DIR/cuts.out" 2>"$LAB_DIR/cuts.err" ||
        fail "cuts.py $1: $(tail -n 2 "$LAB_DIR/cuts.err")"
    [ "$(value sent cuts)" = $times ] || fail "$1: $(cat "$LAB_DIR/cuts.out")"
    wait_until 15 nothing_left || fail "$1: $(descriptors server) descriptors instead of $open," \
        "$(metric server tunnels) tunnels, $(metric server allocations) allocations"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up
server_start --workers 1 --relay-ip $edge4 --serve tunnel,turn,ice-tcp,site --linger 1 \
    --max-tunnels-per-subject 10000 --max-handshakes-per-second 100000
open=$(descriptors server)
watched=no
! grep -q 'no sandbox reason=".*sanitizer needs' "$LAB_DIR/server.err" || watched=yes
mapfile -t stages < <("$support/cuts.py")
[ ${#stages[@]} -ge 20 ] || fail "what stages? ${stages[*]}"
for stage in "${stages[@]}"; do
    round "$stage"
    for ((i = 2; i <= rounds; i++)); do
        before=$(memory_kb server)
        round "$stage"
        after=$(memory_kb server)
        if [ "$watched" = yes ] || [ $((after - before)) -le $spare_kb ]; then break; fi
    done
    [ $i -le $rounds ] || fail "$stage: $times more, and again memory went from $before to $after kB"
    lab_running server || fail "$stage: the server died"
done
ok "${#stages[@]} stages: connections that are cut there leave nothing behind; memory is $after kB"
