# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One host with everything on it, for the end-to-end tests that are about the programs and not about
# networks. Source it, don't run it.
#
#     198.51.100.2   2001:db8:100::2   the server: edge.test, edge6.test
#     198.51.100.3   2001:db8:100::3   somebody else
#     192.0.2.1, 127.0.0.1, ::1        gateways
#
# All are addresses of the loopback interface in a network namespace of the test's own. It has its own
# process numbers, too: whatever it started ends when the script does, however that ends.

# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

# shellcheck disable=SC2034
support=$root/tests/support
server_program=${BUILD_DIR:-$root/build}/sallyport-server
client_program=${BUILD_DIR:-$root/build}/sallyport-client

# host_up: runs the script again in that namespace; the second time it returns. Packages have to be there by
# then, for nothing can be downloaded within. `host_arguments` may hold the arguments that it gets then.
host_arguments=()
host_up() {
    if [ "${E2E_HOST-}" != "$0" ]; then
        [ "$(id -u)" = 0 ] || skip "needs root"
        unshare --net --mount --pid --fork true 2>/dev/null || skip "needs namespaces"
        E2E_HOST=$0 exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "${host_arguments[@]}"
    fi
    LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/sallyport-test.XXXXXX")
    trap host_down EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    ip link set lo up
    ip address add 192.0.2.1/32 dev lo
    for number in 2 3; do
        ip address add 198.51.100.$number/32 dev lo
        ip address add 2001:db8:100::$number/128 dev lo nodad 2>/dev/null || skip "needs IPv6"
    done
    {
        printf '127.0.0.1 localhost\n::1 localhost\n'
        printf '198.51.100.2 edge.test\n2001:db8:100::2 edge6.test\n'
    } >"$LAB_DIR/hosts"
    mount --bind "$LAB_DIR/hosts" /etc/hosts
    unset "${!SALLYPORT_@}" https_proxy HTTPS_PROXY http_proxy all_proxy ALL_PROXY
    lab_cert
    (umask 077 && echo "a secret that nobody should see" >"$LAB_DIR/secret")
    credentials alice >"$LAB_DIR/credentials.json"
    (umask 077 && json token "$LAB_DIR/credentials.json" >"$LAB_DIR/token")
}

# Both programs end in good order if the test did. After a failure: shows the logs of what still runs; it goes
# with the namespace. LAB_KEEP=1 keeps the directory with the logs.
host_down() {
    local status=$? file
    if [ "$status" = 0 ]; then
        { host_stop gateway && host_stop server; } || status=1
    fi
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for file in "$LAB_DIR"/*.pid; do
            [ ! -f "$file" ] || ! lab_running "$(basename "$file" .pid)" || lab_show "$(basename "$file" .pid)"
        done
        lab_failed
    fi
    if [ "${LAB_KEEP-}" = 1 ]; then say "kept $LAB_DIR"; else rm -rf "$LAB_DIR"; fi
    exit "$status"
}

# host_stop server|gateway: if it runs. It has to end by itself, and without a word from a sanitizer; otherwise
# host_stop says why, and fails.
host_stop() {
    local status=0
    if [ ! -f "$LAB_DIR/$1.pid" ] || ! kill -TERM "$(lab_pid "$1")" 2>/dev/null; then
        return 0
    fi
    if ! wait_until 10 has_ended "$1"; then
        echo "FAILED: $1 does not stop" >&2
        return 1
    fi
    lab_wait "$1" || status=$?
    if [ "$status" != 0 ] || grep -Eq 'Sanitizer|runtime error:' "$LAB_DIR/$1.err"; then
        echo "FAILED: $1 ended with status $status" >&2
        lab_show "$1"
        return 1
    fi
}

has_ended() {
    ! lab_running "$1"
}

# json KEY FILE: the value of the first such string that has a line of its own.
json() {
    sed -n 's/^ *"'"$1"'": "\(.*\)",\{0,1\}$/\1/;t found;d;:found;p;q' "$2"
}

# credentials USER [OPTION...]
credentials() {
    "$server_program" credentials --secret-file "$LAB_DIR/secret" --json --user "$@"
}

# host_spawn LOG COMMAND...: as lab_spawn, here; all lab_ functions that take a LOG can be used with it.
host_spawn() {
    local log=$1
    shift
    : >"$LAB_DIR/$log.out"
    setsid "$@" </dev/null >"$LAB_DIR/$log.out" 2>"$LAB_DIR/$log.err" &
    echo $! >"$LAB_DIR/$log.pid"
}

# server_start [OPTION...]: log "server". TCP 443 of its addresses, and UDP as server_udp says; user test:test. Ends
# at once when it is told to (--drain-timeout).
# `limits` may hold a command that sets some and runs both programs.
limits=()
server_udp=(--listen-udp 198.51.100.2:3478 --listen-udp "[2001:db8:100::2]:3478")
server_start() {
    host_spawn server "${limits[@]}" "$server_program" --admin 127.0.0.1:9641 --realm edge.test --user test:test \
        --drain-timeout "${drain_timeout-0}" \
        --listen 198.51.100.2:443 --listen "[2001:db8:100::2]:443" "${server_udp[@]}" \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" "$@"
    lab_wait_ready server
}

# gateway_start [OPTION...]: log "gateway". UDP and TCP 3478; waits until its tunnel is up.
gateway_start() {
    host_spawn gateway "${limits[@]}" "$client_program" --server https://edge.test --admin 127.0.0.1:9642 \
        --token-file "$LAB_DIR/token" --ca "$LAB_DIR/ca.pem" \
        --listen 192.0.2.1:3478 --listen 127.0.0.1:3478 --listen "[::1]:3478" "$@"
    lab_wait_ready gateway
    wait_until 10 tunnel_up || fail "the tunnel does not come up"
}

tunnel_up() {
    [ "$(metric gateway tunnel_up)" = 1 ]
}

# metric server|gateway NAME: of its /metrics, without "sallyport_". 0 is what a counter says that has
# never been; what is no metric of that program is a mistake of the test.
metric() {
    local port=9641 value
    [ "$1" = server ] || port=9642
    value=$(curl -sS --max-time 5 "http://127.0.0.1:$port/metrics" | sed -n "s/^sallyport_$2 //p")
    [ "$value" ] || fail "$1 has no metric $2"
    echo "$value"
}

# is COMMAND OPERATOR NUMBER: what the command prints now, for wait_until:
# wait_until 5 is 'metric server lanes' -eq 4
is() {
    test "$(eval "$1")" "$2" "$3"
}

# descriptors LOG, memory_kb LOG, peak_kb LOG, ticks LOG: of a running program; ticks of processor time.
descriptors() {
    find "/proc/$(lab_pid "$1")/fd" -mindepth 1 | wc -l
}

memory_kb() {
    sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$(lab_pid "$1")/status"
}

peak_kb() {
    sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$(lab_pid "$1")/status"
}

ticks() {
    awk '{ print $14 + $15 }' "/proc/$(lab_pid "$1")/stat"
}

# value KEY LOG: of the last line "… KEY=VALUE …" that a helper printed.
value() {
    sed -n 's/.*\b'"$1"'=\([^ ]*\).*/\1/p' "$LAB_DIR/$2.out" | tail -n 1
}
