#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two ICE agents that are not browsers (aioice), each with the gateway as its TURN server, by UDP and by
# TCP: they meet over relayed addresses, and are told no address but these.
# sanitizers: yes
# shellcheck disable=SC2119 # most gateways are as gateway_start makes them
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2
udp=udp:192.0.2.1:3478 tcp=tcp:192.0.2.1:3478 direct=udp:$edge4:3478

# meet NAME POLICY TARGET TARGET
meet() {
    local name=$1
    shift
    timeout 40 "$support/aioice_pair.py" "$@" >"$LAB_DIR/$name.out" 2>"$LAB_DIR/$name.err" ||
        fail "$name: $(tail -n 3 "$LAB_DIR/$name.err")"
    [ "$(value received "$name")" = "$(value sent "$name")" ] ||
        fail "$name: $(value received "$name") of $(value sent "$name") datagrams came"
}

# no_local_address NAME: candidates are relays, and what the agents were told about themselves (which
# browsers write into candidates and raddr) is always one of the relayed addresses.
no_local_address() {
    local out=$LAB_DIR/$1.out
    [ "$(grep -c "^candidate [ab] relay $edge4 [0-9]*$" "$out")" = 2 ] ||
        fail "$1: relays: $(grep ^candidate "$out")"
    [ "$(grep -c ^candidate "$out")" = 2 ] || fail "$1: more than relays: $(grep ^candidate "$out")"
    [ "$(grep -c "^relayed $edge4 " "$out")" = 2 ] || fail "$1: relayed addresses: $(grep ^relayed "$out")"
    [ "$(sed -n 's/^relayed //p' "$out" | sort)" = "$(sed -n 's/^reflexive //p' "$out" | sort)" ] ||
        fail "$1: relayed and reflexive addresses differ: $(grep -E '^(relayed|reflexive)' "$out")"
}

over_relays() {
    local relays=$1
    meet "udp-$relays" relay $udp $udp
    no_local_address "udp-$relays"
    meet "tcp-$relays" relay $tcp $tcp
    no_local_address "tcp-$relays"
    meet "mixed-$relays" relay $udp $tcp
    no_local_address "mixed-$relays"
    ok "two agents over relayed addresses ($relays), by UDP, TCP and both: no local address is told"
}

# One behind the gateway, one that needs none: the address that this one learns is its own business.
with_the_open_world() {
    meet direct relay $udp $direct
    ok "an agent behind the gateway and one on an open network"
}

# Nothing that waits for a reflexive candidate may hold up gathering.
gathering() {
    local before
    before=$(metric server turn_binding_requests_total)
    meet all all $udp $udp
    [ "$(metric server turn_binding_requests_total)" -gt "$before" ] || fail "all: nobody asked for a Binding"
    ! grep -q '^candidate . srflx' "$LAB_DIR/all.out" || fail "all: a server-reflexive candidate"
    [ "$(value gather_ms all)" -lt 2000 ] || fail "all: gathering took $(value gather_ms all) ms"
    ok "no server-reflexive candidate, and gathering does not wait for one"
}

everything_returned() {
    wait_until 5 is 'metric server allocations' -eq 0 || fail "allocations are left"
    ok "all allocations were given back"
}

need_packages python3-aioice
need_commands curl=curl openssl=openssl ip=iproute2
host_up
server_start --relay-ip $edge4 --relay-ports none
gateway_start
over_relays virtual
gathering
everything_returned
host_stop gateway
host_stop server
server_start --relay-ip $edge4
gateway_start
over_relays real
with_the_open_world
everything_returned
