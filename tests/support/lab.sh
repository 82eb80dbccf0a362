# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A small internet of network namespaces, for the end-to-end tests and the demo. Source it, don't run it.
#
#     a ── fwa ──┐                    ┌── edge      the server
#                ├──── internet ──────┼── open      somebody whom nothing blocks
#     b ── fwb ──┘                    └── app       the application's web server
#
#     host       address                             what it is
#     a          10.1.0.2      2001:db8:1::2         a caller; 192.0.2.1 on lo, for its gateway
#     b          10.2.0.2      2001:db8:2::2         the other caller, likewise
#     fwa, fwb   198.51.100.11 and .12               their firewalls: IPv4 with NAT, IPv6 routed
#     internet   198.51.100.1  2001:db8:100::1       a switch, and the way to nowhere
#     edge       198.51.100.2  2001:db8:100::2       edge.test (edge6.test by IPv6)
#     open       198.51.100.3  2001:db8:100::3
#     app        198.51.100.4  2001:db8:100::4       app.test
#
# lab_up makes it and lab_down, which lab_up ties to the end of the script, takes it away. A lab has an id
# that stands in the name of everything it makes outside of its own namespaces, so labs do not meet; what a
# killed script left behind is removed by the next lab_up.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

LAB_HOSTS=(internet edge open app fwa fwb a b)
LAB_STATE=/run/sallyport-lab
LAB_ID=""
LAB_DIR=""

# skip TEXT...: ends a test that cannot be run here, in the way that the test runner counts.
skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    [ ! -d "$LAB_DIR" ] || echo "FAILED: $*" >>"$LAB_DIR/failed"
    exit 1
}

# lab_failed: says once more what failed, below all the logs that were shown since.
lab_failed() {
    [ ! -s "$LAB_DIR/failed" ] || cat "$LAB_DIR/failed" >&2
}

# ok TEXT...: a step of a test that went well.
ok() {
    echo "ok: $*"
}

# wait_until SECONDS COMMAND...: until it succeeds.
wait_until() {
    local tries=$(($1 * 10))
    shift
    until "$@"; do
        ((tries-- > 0)) || return 1
        sleep 0.1
    done
}

# ---- life --------------------------------------------------------------------------------------------

# What makes the hosts and wires above; links.sh has others.
lab_builder=_lab_build

# lab_up: from here on EXIT belongs to the lab. Logs, certificates and the like go to $LAB_DIR, and so does
# what programs put into their temporary folder.
lab_up() {
    [ "$(id -u)" = 0 ] || skip "needs root"
    ip netns list >/dev/null 2>&1 || skip "needs network namespaces"
    lab_sweep
    LAB_ID=$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
    LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-lab.XXXXXX")
    export TMPDIR=$LAB_DIR
    trap lab_down EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    _lab_note
    "$lab_builder" || die 1 "could not make the namespaces of lab $LAB_ID"
}

# lab_down: ends all that runs in the lab, and removes it. LAB_KEEP=1 keeps the directory with the logs.
lab_down() {
    local status=$?
    trap - EXIT
    trap '' HUP INT TERM
    disown -a # or bash would tell of each that it was killed
    if [ "$LAB_ID" ]; then
        if [ "$status" = 0 ]; then _lab_end || status=1; fi
        _lab_remove "$LAB_ID" "$([ "${LAB_KEEP:-}" = 1 ] || echo "$LAB_DIR")"
        [ "${LAB_KEEP:-}" != 1 ] || say "kept $LAB_DIR"
    fi
    exit "$status"
}

# Lets all end by themselves (a second TERM hurries the server). What they have to say of leaks and other
# mistakes, in a build with sanitizers, is a failure.
_lab_end() {
    local file failed=0
    _lab_signal "$LAB_ID" TERM || true
    _lab_signal "$LAB_ID" TERM || true
    for file in "$LAB_DIR"/*.err; do
        if [ -f "$file" ] && grep -Eq 'Sanitizer|runtime error:' "$file"; then
            echo "FAILED: a sanitizer found something in $(basename "$file" .err)" >&2
            lab_show "$(basename "$file" .err)"
            failed=1
        fi
    done
    return $failed
}

# lab_sweep: removes labs whose script was killed.
lab_sweep() {
    local file pid birth dir
    for file in "$LAB_STATE"/*; do
        # None, or somebody else has just removed it.
        read -r pid birth dir 2>/dev/null <"$file" || continue
        if [ "$(_lab_birth "$pid")" != "$birth" ]; then
            say "removing what an earlier run left behind (lab ${file##*/})"
            # Whatever is left of it, this run has its own.
            _lab_remove "${file##*/}" "$dir" || say "could not remove all of lab ${file##*/}"
        fi
    done
}

# One line that says whose a lab is: "PID BIRTH DIR".
_lab_note() {
    mkdir -p "$LAB_STATE"
    echo "$$ $(_lab_birth "$$") $LAB_DIR" >"$LAB_DIR/.state"
    mv "$LAB_DIR/.state" "$LAB_STATE/$LAB_ID"
}

# When a process began, in clock ticks: with its number it is unique. Empty if there is none.
_lab_birth() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    # The name in brackets may hold anything; the 22nd field is the 20th after it.
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    echo "${20}"
}

_lab_remove() {
    local id=$1 dir=$2 host signal left=0
    for signal in TERM KILL; do
        _lab_signal "$id" "$signal" || break
    done
    for host in "${LAB_HOSTS[@]}"; do
        ip netns delete "sallyport-$id-$host" 2>/dev/null || true
        rm -rf "/etc/netns/sallyport-$id-$host"
    done
    rmdir /etc/netns 2>/dev/null || true
    [ -z "$dir" ] || _lab_remove_dir "$dir" || left=1
    rm -f "${LAB_STATE:?}/$id"
    rmdir "$LAB_STATE" 2>/dev/null || true
    return $left
}

# A script that was killed may have left mounts in its directory: this host's own /sys and /dev/shm, say. They
# are taken off first, the deepest first, and what can't be is not gone into.
_lab_remove_dir() {
    local mount
    awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r mount; do
        umount --lazy "$(printf %b "$mount")" || true
    done
    rm -rf --one-file-system "$1"
}

# Signals every process in the namespaces of a lab and waits up to 3 s for them to end; fails when none
# were left to signal. All that a lab runs lives in its namespaces, so this misses nothing and hits nobody.
_lab_signal() {
    local id=$1 signal=$2 pids tries
    pids=$(_lab_pids "$id")
    [ "$pids" ] || return 1
    # shellcheck disable=SC2086
    kill -s "$signal" $pids 2>/dev/null || true
    for ((tries = 0; tries < 30; tries++)); do
        [ "$(_lab_pids "$id")" ] || return 0
        sleep 0.1
    done
}

_lab_pids() {
    local host
    for host in "${LAB_HOSTS[@]}"; do
        [ ! -e "/run/netns/sallyport-$1-$host" ] || ip netns pids "sallyport-$1-$host" 2>/dev/null || true
    done
}

# ---- hosts and wires ---------------------------------------------------------------------------------

_lab_build() {
    local host
    for host in "${LAB_HOSTS[@]}"; do
        _lab_make_host "$host" || return
    done
    _lab_ip internet link add br0 type bridge || return
    _lab_ip internet link set br0 up || return
    _lab_address internet br0 198.51.100.1/24 2001:db8:100::1/64 || return
    _lab_join edge 2 && _lab_join open 3 && _lab_join app 4 && _lab_join fwa 11 && _lab_join fwb 12 || return
    _lab_lan a 1 11 && _lab_lan b 2 12
}

_lab_make_host() {
    local ns
    ns=$(lab_ns "$1")
    mkdir -p "/etc/netns/$ns" || return
    # 'ip netns exec' lays these over /etc/hosts and /etc/resolv.conf. Nobody answers at the resolver.
    cat >"/etc/netns/$ns/hosts" <<'EOF'
127.0.0.1 localhost
::1 localhost
198.51.100.2 edge.test
2001:db8:100::2 edge6.test
198.51.100.4 app.test
EOF
    printf 'nameserver 198.51.100.1\noptions timeout:1 attempts:1\n' >"/etc/netns/$ns/resolv.conf"
    ip netns add "$ns" || return
    # Addresses are good at once: nobody else can have them.
    _lab_sysctl "$1" net/ipv6/conf/default/accept_dad 0
    _lab_sysctl "$1" net/ipv6/conf/all/accept_dad 0
    _lab_ip "$1" link set lo up
}

# A host on the internet: its last number in both families. Its way to the callers' IPv6 is direct.
_lab_join() {
    local host=$1 number=$2
    _lab_ip "$host" link add wan type veth peer name "$host" netns "$(lab_ns internet)" || return
    _lab_ip internet link set "$host" master br0 up || return
    _lab_address "$host" wan "198.51.100.$number/24" "2001:db8:100::$number/64" || return
    _lab_ip "$host" link set wan up || return
    _lab_route "$host" default 198.51.100.1 2001:db8:100::1
}

# A caller's own network, behind its firewall.
_lab_lan() {
    local host=$1 net=$2 number=$3 fw=fw$1 other
    _lab_ip "$host" link add lan type veth peer name lan netns "$(lab_ns "$fw")" || return
    _lab_address "$fw" lan "10.$net.0.1/24" "2001:db8:$net::1/64" || return
    _lab_address "$host" lan "10.$net.0.2/24" "2001:db8:$net::2/64" || return
    _lab_ip "$fw" link set lan up || return
    _lab_ip "$host" link set lan up || return
    _lab_route "$host" default "10.$net.0.1" "2001:db8:$net::1" || return
    _lab_ip "$host" address add 192.0.2.1/32 dev lo || return
    for other in internet edge open app fwa fwb; do
        [ "$other" = "$fw" ] || _lab_route "$other" "" "" "2001:db8:100::$number" "2001:db8:$net::/64" || return
    done
    _lab_sysctl "$fw" net/ipv4/ip_forward 1
    _lab_sysctl "$fw" net/ipv6/conf/all/forwarding 1
    lab_host "$fw" iptables -w -t nat -A POSTROUTING -s "10.$net.0.0/24" -o wan -j MASQUERADE || return
    lab_profile "$host" open
}

_lab_ip() {
    ip -n "$(lab_ns "$1")" "${@:2}"
}

_lab_sysctl() {
    # shellcheck disable=SC2016
    lab_host "$1" sh -c '[ ! -e "/proc/sys/$1" ] || echo "$2" >"/proc/sys/$1"' sh "$2" "$3"
}

_lab_address() {
    _lab_ip "$1" address add "$3" dev "$2" || return
    ! lab_ipv6 || _lab_ip "$1" address add "$4" dev "$2" nodad
}

# _lab_route HOST default VIA4 VIA6, or _lab_route HOST "" "" VIA6 PREFIX6
_lab_route() {
    [ -z "$3" ] || _lab_ip "$1" route add default via "$3" || return
    ! lab_ipv6 || _lab_ip "$1" -6 route add "${5:-default}" via "$4"
}

# ---- use ---------------------------------------------------------------------------------------------

lab_ns() {
    echo "sallyport-$LAB_ID-$1"
}

lab_ipv6() {
    [ -e /proc/net/if_inet6 ]
}

# lab_host HOST COMMAND...: runs a command there, and waits for it.
lab_host() {
    local host=$1
    shift
    ip netns exec "$(lab_ns "$host")" "$@"
}

# lab_profile a|b PROFILE [OPTION...]: the firewall before a caller; scripts/firewall.sh says what there is.
lab_profile() {
    "$root/scripts/firewall.sh" "$2" --netns "$(lab_ns "fw$1")" "${@:3}"
}

# lab_count a|b NAME [packets|bytes]: one of the sums of 'firewall.sh status --json'.
lab_count() {
    "$root/scripts/firewall.sh" status --netns "$(lab_ns "fw$1")" --json |
        sed -n 's/.*"'"$2"'":{"packets":\([0-9]*\),"bytes":\([0-9]*\)}.*/\1 \2/p' |
        if [ "${3:-packets}" = bytes ]; then cut -d ' ' -f 2; else cut -d ' ' -f 1; fi
}

# UDP packets of a caller, of both families and directions, without those to and from a resolver that
# its profile names: what went through the firewall, and what did not.
lab_udp_crossed() {
    lab_count "$1" udp_crossed
}

lab_udp_refused() {
    lab_count "$1" udp_refused
}

# What went through the firewall to and from port 443, headers included.
lab_tcp443_bytes() {
    echo $(($(lab_count "$1" tcp443_out bytes) + $(lab_count "$1" tcp443_in bytes)))
}

# lab_spawn HOST LOG COMMAND...: starts a command there. Its output goes to $LAB_DIR/LOG.out and LOG.err.
lab_spawn() {
    local host=$1 log=$2
    shift 2
    : >"$LAB_DIR/$log.out"
    setsid ip netns exec "$(lab_ns "$host")" "$@" </dev/null >"$LAB_DIR/$log.out" 2>"$LAB_DIR/$log.err" &
    echo $! >"$LAB_DIR/$log.pid"
}

lab_pid() {
    cat "$LAB_DIR/$1.pid"
}

lab_running() {
    kill -0 "$(lab_pid "$1")" 2>/dev/null
}

# lab_wait_ready LOG [SECONDS]: until the command has printed a line that starts with "ready". When it
# ends before, or the time is over (10 s): shows the end of its log and fails.
lab_wait_ready() {
    local log=$1 tries=$((${2:-10} * 10))
    while ! grep -q '^ready' "$LAB_DIR/$log.out"; do
        if ! lab_running "$log" || ((tries-- == 0)); then
            lab_show "$log"
            return 1
        fi
        sleep 0.1
    done
}

# lab_show LOG: the end of what a command wrote, for whoever has to find out why.
lab_show() {
    local file
    for file in "$LAB_DIR/$1.out" "$LAB_DIR/$1.err"; do
        [ ! -s "$file" ] || tail -n 20 "$file" | sed "s/^/  $1: /" >&2
    done
}

# lab_wait LOG: until the command has ended; its exit status. Unlike a command in the foreground it lets a
# signal to this script through at once.
lab_wait() {
    wait "$(lab_pid "$1")"
}

# lab_stop LOG: TERM, after 3 s KILL, to the command and all that it started.
lab_stop() {
    local pid tries
    pid=$(lab_pid "$1")
    kill -s TERM -- "-$pid" 2>/dev/null || return 0
    for ((tries = 0; tries < 30; tries++)); do
        kill -0 -- "-$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -s KILL -- "-$pid" 2>/dev/null || true
}

# lab_cert: a CA and a certificate for edge and app, good for two days: ca.pem, cert.pem and key.pem in $LAB_DIR.
lab_cert() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    (
        cd "$LAB_DIR" || exit
        umask 077
        openssl req -x509 "${key[@]}" -keyout ca-key.pem -out ca.pem -days 2 -subj "/CN=sallyport lab CA" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
        openssl req -new "${key[@]}" -keyout key.pem -out cert.csr -subj /CN=edge.test
        printf '%s\n' "subjectAltName=DNS:edge.test,DNS:edge6.test,DNS:app.test,IP:198.51.100.2,IP:2001:db8:100::2" \
            basicConstraints=CA:FALSE extendedKeyUsage=serverAuth >cert.ext
        openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 \
            -extfile cert.ext -out cert.pem
        rm cert.csr cert.ext ca.srl ca-key.pem
    ) 2>"$LAB_DIR/openssl.err" || die 1 "openssl: $(tail -n 1 "$LAB_DIR/openssl.err")"
}
