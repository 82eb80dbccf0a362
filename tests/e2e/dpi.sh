#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a firewall that looks inside makes of a tunnel with a call in it: nDPI and Wireshark say TLS, and no risk
# that a visit by curl to the same port does not have. That they would see more if there were more to see is
# shown by TURN and HTTP without TLS on that port.
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2

# capture_begin NAME; capture_end NAME: all packets of port 443 between, in NAME.pcap.
capture_begin() {
    host_spawn "capture-$1" tcpdump -Z root -i lo -s 0 -U -w "$LAB_DIR/$1.pcap" tcp port 443
    wait_until 10 grep -q "listening on" "$LAB_DIR/capture-$1.err" || fail "tcpdump does not start"
}

capture_end() {
    sleep 1 # for the last packets to come out of the kernel
    kill -INT "$(lab_pid "capture-$1")"
    lab_wait "capture-$1" || fail "tcpdump failed: $(cat "$LAB_DIR/capture-$1.err")"
    grep -q '^0 packets dropped by kernel' "$LAB_DIR/capture-$1.err" || fail "packets are missing: $(cat "$LAB_DIR/capture-$1.err")"
    ndpiReader -i "$LAB_DIR/$1.pcap" -v 2 >"$LAB_DIR/$1.ndpi" 2>&1 || fail "ndpiReader: $(tail -n 3 "$LAB_DIR/$1.ndpi")"
}

# call TARGET TARGET: a call in miniature that lasts a few seconds, with packets as large as video's.
call() {
    host_spawn call "$support/turn_pair.py" "$1" "$2" 20 1000
    lab_wait_ready call
    sleep 3
    kill -TERM "$(lab_pid call)"
    lab_wait call || fail "the call failed: $(cat "$LAB_DIR/call.err")"
    [[ $(value lost call) = 0 && $(value sent call) -ge 100 ]] || fail "the call: $(tail -n 1 "$LAB_DIR/call.out")"
}

# What nDPI says: protocols of the capture, and risks of its flows, each once. Flows without payload are none.
protocols() {
    sed -n '/^Detected protocols:/,/^$/p' "$LAB_DIR/$1.ndpi" | awk '/packets:/ { print $1 }' | sort -u
}

flows() {
    grep -E '^[[:space:]]+[0-9]+[[:space:]]+TCP .*\[Confidence: DPI' "$LAB_DIR/$1.ndpi" || true
}

risks() {
    flows "$1" | sed -n 's/.*\[Risk: \([^]]*\)\].*/\1/p' | grep -o '\*\*[^*]*\*\*' | sort -u || true
}

# What Wireshark says: the layers above TCP, and what is malformed.
layers() {
    tshark -r "$LAB_DIR/$1.pcap" -T fields -e frame.protocols 2>/dev/null | sed 's/^.*:tcp:\{0,1\}//' | grep . | sort -u
}

# Packets whose bytes Wireshark takes for nothing, not even for a part of something. Of what TCP sends twice it
# looks at the first only.
strange() {
    tshark -2 -r "$LAB_DIR/$1.pcap" -Y 'tcp.len > 0 && !tcp.analysis.retransmission && !tls.record && !http &&
        !tcp.segment_data && !tcp.reassembled_in' 2>/dev/null
}

only_tls() {
    local n
    n=$(flows "$1" | wc -l)
    [ "$n" -ge "$2" ] || fail "$1: $n flows, not $2: $(cat "$LAB_DIR/$1.ndpi")"
    [ "$(protocols "$1")" = TLS ] || fail "$1: nDPI sees $(protocols "$1")"
    [ "$(flows "$1" | grep -c '\[proto: 91/TLS\]')" = "$n" ] || fail "$1: nDPI says of a flow: $(flows "$1")"
    [ "$(layers "$1")" = tls ] || fail "$1: Wireshark sees $(layers "$1")"
    [ -z "$(strange "$1")" ] || fail "$1: Wireshark can't tell what this is: $(strange "$1" | head -n 5)"
    [ -z "$(tshark -r "$LAB_DIR/$1.pcap" -Y _ws.malformed 2>/dev/null)" ] || fail "$1: Wireshark finds something malformed"
}

# hello NAME FIELD: of the ClientHellos in it, each value once.
hello() {
    tshark -r "$LAB_DIR/$1.pcap" -Y 'tls.handshake.type == 1' -T fields -e "$2" 2>/dev/null | sort -u
}

visits() {
    capture_begin curl
    for _ in 1 2 3; do
        curl -sS --http1.1 --cacert "$LAB_DIR/ca.pem" -o /dev/null https://edge.test/ -o /dev/null https://edge.test/none
        curl -sS --cacert "$LAB_DIR/ca.pem" -o /dev/null https://edge.test/
    done
    capture_end curl
    only_tls curl 6
    ok "curl: TLS; risks: $(risks curl | paste -sd ' ')"
}

tunnels() {
    local more
    capture_begin tunnel
    gateway_start --lanes 4
    call udp:192.0.2.1:3478 tcp:127.0.0.1:3478
    host_stop gateway
    capture_end tunnel
    only_tls tunnel 4
    more=$(comm -23 <(risks tunnel) <(risks curl))
    [ -z "$more" ] || fail "a tunnel has risks that curl does not have: $more"
    ok "a tunnel: TLS in $(flows tunnel | wc -l) connections, and no other risks"
}

# Each hello has one of its own, of full size, which is not its random once more.
session_ids() {
    local hellos random id seen=0
    hellos=$(tshark -r "$LAB_DIR/tunnel.pcap" -Y 'tls.handshake.type == 1' -T fields -e tls.handshake.random \
        -e tls.handshake.session_id 2>/dev/null)
    while read -r random id; do
        [ "${#id}" = 64 ] || fail "a session id of $((${#id} / 2)) bytes"
        [ "$id" != "$random" ] || fail "a session id is the client random"
        seen=$((seen + 1))
    done <<<"$hellos"
    [ "$(sort -u -k 2,2 <<<"$hellos" | wc -l)" = $seen ] || fail "a session id comes twice"
    [ $seen -ge 4 ] || fail "only $seen hellos"
}

# What each lane begins with is what any client's connection begins with.
hellos() {
    [ "$(hello tunnel tls.handshake.extensions_server_name)" = edge.test ] || fail "no server name"
    [ "$(hello tunnel tls.handshake.extensions_alpn_str)" = http/1.1 ] || fail "no ALPN, or another"
    [ "$(hello tunnel tls.handshake.extensions.supported_version)" = 0x0304,0x0303 ] || fail "other versions"
    [ "$(hello tunnel tls.record.version)" = 0x0301 ] || fail "the first record is of version $(hello tunnel tls.record.version)"
    [ "$(hello tunnel tls.extension.psk_ke_modes)" = "$(hello curl tls.extension.psk_ke_modes)" ] ||
        fail "PSK key exchange is offered as $(hello tunnel tls.extension.psk_ke_modes)"
    session_ids
    ! hello tunnel tls.handshake.sig_hash_alg | grep -qE '0x0[123]0[123]' || fail "SHA-1 is offered"
    for name in tunnel curl; do
        echo "$name: JA3 $(hello $name tls.handshake.ja3_full | paste -sd ' ')"
    done
    ok "server name, ALPN, TLS 1.3 and 1.2, and a session id in each hello"
}

# Both would see something else if it were there, and nDPI a risk.
control() {
    capture_begin plain
    call tcp:$edge4:443 tcp:$edge4:443
    curl -sS -o /dev/null http://edge.test:443/
    capture_end plain
    [[ $(protocols plain) == *HTTP* ]] || fail "nDPI sees no HTTP in HTTP: $(protocols plain)"
    [ "$(risks plain)" ] || fail "nDPI sees no risk in HTTP on port 443"
    [[ $(layers plain) == *http* ]] || fail "Wireshark sees no HTTP in HTTP: $(layers plain)"
    [ "$(strange plain | wc -l)" -ge 100 ] || fail "Wireshark takes TURN for something else"
    ok "TURN and HTTP without TLS on the same port are seen: $(risks plain | paste -sd ' ')"
}

need_packages python3 tcpdump libndpi-bin tshark
need_commands curl=curl ip=iproute2
host_up
server_start --relay-ip $edge4
visits
tunnels
hellos
control
