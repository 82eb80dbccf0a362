#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A laptop: Ana's Chromium and its gateway are on one host, whose only address goes in the middle of a call; 2 s later
# it has another. With 192.0.2.1 where scripts/local-address.sh puts it, on an interface of its own, Chromium keeps
# its socket, and the call goes on by itself. On the loopback interface it does come back as well, but by an ICE
# restart. failures.sh has what becomes of a call when the gateway roams and the browser does not.
# timeout: 240

# shellcheck source=tests/support/watched.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/watched.sh"
set -euo pipefail

# addresses_gone, addresses NUMBER: of Ana's host, in both families.
addresses_gone() {
    local family
    for family in -4 -6; do
        ip -n "$ana" $family address flush dev lan scope global
    done
}

addresses() {
    ip -n "$ana" address add "10.1.0.$1/24" dev lan
    ip -n "$ana" route replace default via 10.1.0.1
    ! lab_ipv6 || ip -n "$ana" address add "2001:db8:1::$1/64" dev lan nodad
    ! lab_ipv6 || ip -n "$ana" -6 route replace default via 2001:db8:1::1
}

# roam WHERE NUMBER [lives]: with 192.0.2.1 there, to that address.
roam() {
    [ "$(ip -n "$ana" -4 -oneline address show to 192.0.2.1/32 | awk '{ print $2 }')" = "$1" ] ||
        fail "192.0.2.1 is not just on $1"
    restarts=0 noise_ms=0
    watched_call --a-ice "$ice" --b-ice "$ice"
    mark roaming
    addresses_gone
    sleep 2
    addresses "$2"
    over roaming
    watched_tell "the host roams, 192.0.2.1 is on $1" "${@:3}"
    watched_end
    [ "$(grep -c 'tunnel ended' "$LAB_DIR/gateway-a.err")" = 0 ] || fail "the tunnel did not outlive it"
}

need_packages python3 nftables
doors_browsers chromium
doors_two_blocked
doors_page
ana=$(lab_ns a)
roam lo 77
lab_host a "$root/scripts/local-address.sh" 2>"$LAB_DIR/local-address.err" || fail "$(cat "$LAB_DIR/local-address.err")"
roam 0sallyport 88 lives
doors_no_udp
