#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# coturn's own test programs as clients: by UDP, TCP, TLS and through the gateway, by channels and by
# indications, relayed by IPv4 and IPv6, client to client and to a plain peer. Nothing may be lost.
# sanitizers: yes
# shellcheck disable=SC2119 # most gateways are as gateway_start makes them
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2 edge6=2001:db8:100::2
peer4=198.51.100.3 peer6=2001:db8:100::3
static=(-u test -w test)
names=()

# call NAME ARGUMENT...: a turnutils_uclient in the background. Each of its clients sends 40 messages.
call() {
    local name=$1
    shift
    host_spawn "$name" timeout 40 turnutils_uclient -n 40 -l 300 "$@"
    names+=("$name")
}

# all_delivered WHAT: waits for those calls. Each message counts: the summary's own percentage does not
# know of what was never sent.
all_delivered() {
    local name file last status
    for name in "${names[@]}"; do
        file=$LAB_DIR/$name.out status=0
        lab_wait "$name" || status=$?
        [ "$status" = 0 ] || fail "$name: turnutils_uclient ended with status $status: $(tail -n 3 "$file" "$LAB_DIR/$name.err")"
        last=$(grep -o 'tot_send_msgs=[0-9]*, tot_recv_msgs=[0-9]*$' "$file" | tail -n 1)
        [[ $last =~ ^tot_send_msgs=([0-9]+),\ tot_recv_msgs=([0-9]+)$ ]] || fail "$name: no summary"
        [ "${BASH_REMATCH[1]}" -ge 80 ] || fail "$name: only ${BASH_REMATCH[1]} messages were sent"
        [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ] || fail "$name: lost some: $last"
        grep -q 'Total lost packets 0 (0.000000%), total send dropped 0' "$file" ||
            fail "$name: $(grep 'Total lost' "$file")"
    done
    names=()
    ok "$1"
}

# turnutils_uclient speaks SSLv3 to TLS 1.1 as well, by chance; it tries again until it is accepted.
client_to_client() {
    call udp -y -m 4 "${static[@]}" $edge4
    call tcp -y -m 4 -t -p 443 "${static[@]}" $edge4
    call tls -y -m 4 -t -S -p 443 "${static[@]}" $edge4
    call tls6 -y -m 4 -t -S -E "$LAB_DIR/ca.pem" -p 443 "${static[@]}" $edge6
    call gateway-udp -y -m 4 "${static[@]}" 192.0.2.1
    call gateway-tcp -y -m 4 -t "${static[@]}" 192.0.2.1
    all_delivered "client to client by UDP, TCP, TLS and through the gateway"
}

other_ways() {
    call udp-send -y -s -m 2 "${static[@]}" $edge4
    call gateway-send -y -s -m 2 "${static[@]}" 127.0.0.1
    call gateway-tcp-send -y -s -t -m 2 "${static[@]}" 127.0.0.1
    call udp-relay6 -y -x -m 2 "${static[@]}" $edge6
    call gateway-relay6 -y -x -m 2 "${static[@]}" ::1
    call tls-relay6 -y -x -t -S -p 443 -m 2 "${static[@]}" $edge4
    call gateway-big -y -m 2 -l 1400 "${static[@]}" 192.0.2.1
    all_delivered "indications, IPv6 relays, large messages"
}

credentials_in_time() {
    local username password
    username=$(json username "$LAB_DIR/credentials.json")
    password=$(json credential "$LAB_DIR/credentials.json")
    call rest-udp -y -u "$username" -w "$password" $edge4
    call rest-gateway -y -u "$username" -w "$password" 192.0.2.1
    # Makes them itself, out of the secret: both of us read draft-uberti-behave-turn-rest alike.
    call rest-own -y -u bob -W "$(cat "$LAB_DIR/secret")" $edge4
    all_delivered "REST credentials, ours and its own"
}

wrong_password() {
    local before
    before=$(metric server turn_allocations_total)
    ! timeout 20 turnutils_uclient -y -n 1 -u test -w wrong $edge4 >"$LAB_DIR/wrong.out" 2>&1 ||
        fail "a wrong password is taken"
    [ "$(metric server turn_auth_errors_total)" -gt 0 ] || fail "nobody counted the wrong password"
    [ "$(metric server turn_allocations_total)" = "$before" ] || fail "a wrong password gets an allocation"
    ok "a wrong password is refused"
}

plain_peer() {
    host_spawn peer4 turnutils_peer -L $peer4 -p 3480
    host_spawn peer6 turnutils_peer -L $peer6 -p 3480
    call peer-udp -e $peer4 -m 2 "${static[@]}" $edge4
    call peer-gateway -e $peer4 -m 2 "${static[@]}" 192.0.2.1
    call peer-tls -e $peer4 -t -S -p 443 -m 2 "${static[@]}" $edge4
    call peer6-udp -x -e $peer6 -m 2 "${static[@]}" $edge6
    call peer6-gateway -x -e $peer6 -s -m 2 "${static[@]}" 192.0.2.1
    all_delivered "a plain UDP peer, by IPv4 and IPv6"
    [ "$(metric server turn_to_peer_datagrams_total)" -ge 400 ] || fail "nothing went out by UDP"
    lab_stop peer4
    lab_stop peer6
}

# A peer that nobody allowed: its address is one of the server's host and of the documentation.
denied_peer() {
    ! timeout 20 turnutils_uclient -c -n 1 -e 127.0.0.1 "${static[@]}" $edge4 >"$LAB_DIR/denied.out" 2>&1 ||
        fail "it relays to 127.0.0.1"
    grep -q 403 "$LAB_DIR/denied.out" || fail "not 403: $(tail -n 3 "$LAB_DIR/denied.out")"
    ok "a denied peer is refused with 403"
}

binding() {
    local target text
    for target in $edge4 $edge6; do
        text=$(timeout 10 turnutils_stunclient "$target" 2>&1) || fail "turnutils_stunclient $target: $text"
        [[ $text == *"UDP reflexive addr: $target:"* ]] || fail "turnutils_stunclient $target says: $text"
    done
    text=$(timeout 10 turnutils_natdiscovery -m -L $peer4 -l 50000 $edge4 2>&1) || fail "natdiscovery: $text"
    [[ $text == *"UDP reflexive addr: $peer4:50000"* && $text == *"No NAT!"* ]] ||
        fail "turnutils_natdiscovery says: $text"
    # Whoever learned an address from a gateway would publish it.
    text=$(timeout 10 turnutils_stunclient 192.0.2.1 2>&1) || true
    [[ $text == *403* && $text != *reflexive* ]] || fail "the gateway answers a Binding request: $text"
    ok "Binding by IPv4 and IPv6; 403 through the gateway"
}

virtual_relays() {
    host_stop gateway
    host_stop server
    server_start --relay-ip $edge4 --relay-ip $edge6 --relay-ports none
    gateway_start
    call virtual-gateway -y -m 4 "${static[@]}" 192.0.2.1
    call virtual-gateway-tcp -y -m 2 -t "${static[@]}" 192.0.2.1
    call virtual-tls -y -m 2 -t -S -p 443 "${static[@]}" $edge4
    call virtual-udp6 -y -x -m 2 "${static[@]}" $edge4
    all_delivered "--relay-ports none: client to client without any UDP socket"
    [ "$(metric server turn_hairpin_datagrams_total)" -ge 400 ] || fail "that was no hairpin"
}

need_commands turnutils_uclient=coturn curl=curl openssl=openssl ip=iproute2
host_up
server_start --relay-ip $edge4 --relay-ip $edge6 --allow-peer $peer4 --allow-peer $peer6
gateway_start
binding
client_to_client
other_ways
credentials_in_time
wrong_password
plain_peer
denied_peer
virtual_relays
