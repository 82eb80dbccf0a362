# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Links with delay, loss, rate and queue between hosts of a lab (lab.sh, which comes with it). Source it,
# don't run it. BUILD_DIR says where link_emulator is, whose head explains the words: delay=30ms loss=2%
# burst=3 rate=6M queue=150ms jitter=5ms reorder=yes, behind ab, ba or both.
#
#     links_up                                  two callers and a server, nothing between them yet
#     links_start delay=30ms loss=2%            a ── link ── edge ── link ── b, each link with these
#     link_tell a "at 5 both loss=100%" "at 5.3 both loss=2%"     an outage on a's link, 5 s from now
#     link_stats a                              counts of a's link, a line of JSON
#
#     host   address                       its side of a link
#     a      10.1.0.2; 192.0.2.1 on lo     wan
#     edge   198.51.100.2 and .3 on lo     to-a, to-b
#     b      10.2.0.2; 192.0.2.1 on lo     wan
#
# edge passes on what a and b send each other. In `ab` a is the caller and b is edge.

# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

# links_need: skips the test where there can be no TUN device.
links_need() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    if [ ! -c /dev/net/tun ]; then
        mkdir -p /dev/net
        mknod /dev/net/tun c 10 200 2>/dev/null || skip "needs /dev/net/tun, and it cannot be made"
    fi
    # A node without the kernel's driver behind it does not open.
    { : <>/dev/net/tun; } 2>/dev/null || skip "needs TUN devices: /dev/net/tun does not open"
}

# TCP's congestion control on these hosts: that of most, whatever this machine has.
links_cc=cubic

# links_up: lab_up, with these hosts.
links_up() {
    links_need
    lab_builder=_links_build
    lab_up
}

_links_build() {
    local host
    for host in edge a b; do
        _lab_make_host "$host" || return
        _lab_sysctl "$host" net/ipv4/tcp_no_metrics_save 1 # no run learns from another
    done
    for host in a b; do
        _lab_ip "$host" address add 192.0.2.1/32 dev lo || return
    done
    _lab_ip edge address add 198.51.100.2/32 dev lo || return
    _lab_ip edge address add 198.51.100.3/32 dev lo || return
    _lab_sysctl edge net/ipv4/ip_forward 1
}

# links_start WORD...: both links. links_seed makes what they lose repeatable.
links_start() {
    local host net=1
    for host in a b; do
        link_start "$host" "$host" wan "10.$net.0.2" edge "to-$host" "10.$net.0.1" "$@" || return
        _lab_ip "$host" route add default dev wan congctl "$links_cc" || return
        net=2
    done
}

# link_start NAME HOST-A DEVICE ADDRESS HOST-B DEVICE ADDRESS WORD...: log "link-NAME".
link_start() {
    local name=$1 a=$2 device_a=$3 address_a=$4 b=$5 device_b=$6 address_b=$7 seed
    shift 7
    seed=$(($(printf %s "$name" | cksum | cut -d ' ' -f 1) % 1000000 + ${links_seed:-1} * 1000000))
    lab_spawn "$a" "link-$name" "${BUILD_DIR:-$root/build}/tests/link_emulator" --seed $seed \
        --control "$LAB_DIR/link-$name.control" "$(lab_ns "$a"):$device_a" "$(lab_ns "$b"):$device_b" "$@"
    lab_wait_ready "link-$name" || return
    _link_end "$a" "$device_a" "$address_a" "$address_b" || return
    _link_end "$b" "$device_b" "$address_b" "$address_a"
}

# Addresses of IPv4 alone: IPv6 would send packets by itself, and be counted.
_link_end() {
    _lab_sysctl "$1" "net/ipv6/conf/$2/disable_ipv6" 1
    _lab_ip "$1" address add "$3" peer "$4" dev "$2" || return
    _lab_ip "$1" link set dev "$2" mtu 1500 txqueuelen 10000 up || return
    # Of a route, since not every congestion control that a host has is allowed to be a namespace's own.
    _lab_ip "$1" route replace "$4" dev "$2" congctl "$links_cc"
}

# link_tell NAME LINE...: each as link_emulator's control takes it.
link_tell() {
    printf '%s\n' "${@:2}" >"$LAB_DIR/link-$1.control"
}

# link_stats NAME: the counts, as a line of JSON.
link_stats() {
    local log=$LAB_DIR/link-$1.out tag tries=50
    tag=s$((${#FUNCNAME[@]} + RANDOM))-$(wc -l <"$log")
    link_tell "$1" "stats $tag"
    until grep -F "\"stats\": \"$tag\"" "$log"; do
        ((tries-- > 0)) || fail "link $1 does not answer"
        sleep 0.1
    done
}
