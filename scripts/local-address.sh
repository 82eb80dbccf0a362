#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# local-address.sh [--lo | --remove | --status]
#
# Gives this host the address 192.0.2.1, so that browsers can name the gateway
#
#     turn:192.0.2.1:3478?transport=udp
#
# on every network alike. Firefox uses no TURN server at 127.0.0.1, and uses this one; so does
# Chromium. The address is of TEST-NET-1 (RFC 5737), which belongs to nobody.
#
# It gets an interface of its own, 0sallyport. Chromium binds a socket to the address of each
# interface but the loopback one, and loses the socket with the address: from here it reaches the
# gateway whatever becomes of the host's networks, and a call goes on when those change. What Chromium
# sends elsewhere from that socket has to find its way, too, or it would wait for STUN servers in vain: an
# nftables table `sallyport` masquerades 192.0.2.1. Where the kernel or the host (package nftables) has
# not what that needs, the address is added to the loopback interface instead, as by
# `ip address add 192.0.2.1/32 dev lo`: that works as well while the network stays.
#
# It lasts until the next boot. sallyport-client listens on it by default, if it is there when the
# gateway starts, and answers this host alone.
#
#   --lo        adds it to the loopback interface
#   --remove    takes it away again
#   --status    says where it is; exit status 1 if this host has none
#
# Safe to run again; the last of --lo and none counts. Needs root, but for --status. Exit status: 0
# done, 1 the system refused, 2 wrong use.

set -euo pipefail
# It is installed by itself, as sallyport-local-address: it can't lean on lib.sh.

address=192.0.2.1
# Of the interfaces that look like Ethernet Chromium prefers the one whose name comes first.
interface=0sallyport
peer=0sallyport-peer
self=${0##*/}

say() {
    printf '%s: %s\n' "$self" "$*" >&2
}

die() {
    local status=$1
    shift
    say "$*"
    exit "$status"
}

# The interfaces that have it.
places() {
    ip -4 -oneline address show to $address/32 | awk '{ print $2 }'
}

is_on() {
    places | grep -qxF -- "$1"
}

# Both ends are up, or neither would be running. Nothing ever goes through: what is sent to an address of
# this host takes the loopback interface. Scope host: the address stands in for no other when something is
# sent from a socket that has none.
make_interface() {
    ip link show dev $interface >/dev/null 2>&1 ||
        ip link add $interface type veth peer name $peer || return
    local end
    for end in $interface $peer; do
        ip link set dev "$end" addrgenmode none 2>/dev/null || true # where there is no IPv6
        ip link set dev "$end" arp off multicast off up || return
    done
    is_on $interface || ip address add $address/32 dev $interface scope host
}

masquerade() {
    nft -f - <<END
table ip sallyport
delete table ip sallyport
table ip sallyport {
    chain out {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr $address oifname != "lo" masquerade
    }
}
END
}

remove_interface() {
    ! ip link show dev $interface >/dev/null 2>&1 || ip link delete dev $interface || return
    ! nft list table ip sallyport >/dev/null 2>&1 || nft delete table ip sallyport
}

remove_from_lo() {
    ! is_on lo || ip address delete $address/32 dev lo
}

# In each case there is no moment without the address, if it was there before.
add_to_lo() {
    is_on lo || ip address add $address/32 dev lo || die 1 "could not add $address to lo"
    remove_interface || die 1 "could not remove $interface"
}

add() {
    local reason
    if ! command -v nft >/dev/null; then
        reason="there is no nft (package nftables)"
    elif ! reason=$({ masquerade && make_interface; } 2>&1); then
        reason=${reason%%$'\n'*}
    else
        remove_from_lo || die 1 "could not remove $address from lo"
        return
    fi
    say "no interface of its own: $reason"
    add_to_lo
}

remove() {
    remove_interface || die 1 "could not remove $interface"
    remove_from_lo || die 1 "could not remove $address from lo"
}

action=add
case ${1-} in
    "") ;;
    --lo) action=add_to_lo ;;
    --remove) action=remove ;;
    --status) action=true ;;
    -h | --help)
        sed -n '/^#$/,/^[^#]/{/^[^#]/d;s/^# \{0,1\}//;p;}' "$0" | sed '1d'
        exit 0
        ;;
    *) die 2 "unknown argument $1: there are --lo, --remove and --status" ;;
esac
[ $# -le 1 ] || die 2 "unknown argument $2: one is allowed, --lo, --remove or --status"
command -v ip >/dev/null || die 1 "there is no ip: install package iproute2"
[ $action = true ] || [ "$(id -u)" = 0 ] || die 2 "changing addresses needs root: sudo $0${1:+ $1}"
$action
where=$(places | paste -sd ' ')
say "$([ "$where" ] && echo "$address is on $where" || echo "this host has no $address")"
[ $action != true ] || [ "$where" ]
