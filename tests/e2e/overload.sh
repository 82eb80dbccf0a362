#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# More arrives than a server can carry: it stands still while clients and a peer go on sending. What has waited
# too long is dropped and counted, what holds calls together is not; memory stays where it was, and a second
# later all is as before.
# sanitizers: yes
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

need_commands curl=curl openssl=openssl ip=iproute2
host_up

server_start --workers 2 --relay-ip 198.51.100.2 --allow-peer 198.51.100.3/32

before=$(memory_kb server)
"$support/overload.py" "$(lab_pid server)" udp:198.51.100.2:3478 198.51.100.3 >"$LAB_DIR/overload" ||
    fail "overload.py failed"
line=$(cat "$LAB_DIR/overload")
say "$line"

[[ $line == "old=0 "* ]] || fail "media came that had waited for too long: $line"
late=$(metric server sockets_udp_late_datagrams_total)
[ "$late" -gt 500 ] || fail "of 1600 old datagrams from clients $late were dropped"
[ "$(metric server relays_late_datagrams_total)" -ge 100 ] || fail "not all of the peer's old datagrams were dropped"
[ "$(metric server sockets_udp_overflowed_datagrams_total)" -gt 1000 ] || fail "what the kernel dropped is not counted"
ok "what waited too long is dropped and counted, and what there was no room for is counted"

# Whether the newcomer is refused depends on how long the server is behind (env.h): for a moment is no overload.
[[ $line =~ \ refresh=0\ newcomer=(0|508)\ later=(yes|no)\  ]] || fail "$line"
if [ "${BASH_REMATCH[1]}" = 508 ]; then
    [ "${BASH_REMATCH[2]}" = yes ] || fail "the newcomer is refused later, too: $line"
fi
ok "a call is refreshed meanwhile; the newcomer: ${BASH_REMATCH[1]}"

# One that is behind all the time sends newcomers away, and counts them; who has a call goes on.
[[ $line == *" crowd=508 crowd_refresh=0 after=0" ]] || fail "$line"
[ "$(metric server turn_allocations_busy_total)" -ge 1 ] || fail "the newcomer is not counted"
ok "calls that there are come before new ones"

[[ $line =~ \ sent=([0-9]+)\ came=([0-9]+)\  ]] || fail "$line"
sent=${BASH_REMATCH[1]} came=${BASH_REMATCH[2]}
[ "$sent" -ge 100 ] || fail "next to nothing was sent: $line"
[ "$came" -ge $((sent * 19 / 20)) ] || fail "a second later not all was as before: $line"
grown=$(($(memory_kb server) - before))
[ "$grown" -lt 32768 ] || fail "memory has grown by $grown kB"
ok "a second later all is as before; memory has grown by $grown kB"
