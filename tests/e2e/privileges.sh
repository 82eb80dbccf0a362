#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What both programs give up once their ports are bound, and that calls, reloads and errors are as good after it.
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2
uid=12345 gid=23456

# status LOG FIELD: of /proc/PID/status, its columns separated by one space.
status() {
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$(lab_pid "$1")/status" | tr '\t' ' '
}

# gave_up LOG UID GID: nothing is left that root has.
gave_up() {
    local field
    [ "$(status "$1" Uid)" = "$2 $2 $2 $2" ] || fail "$1 runs as $(status "$1" Uid)"
    [ "$(status "$1" Gid)" = "$3 $3 $3 $3" ] || fail "$1 runs with group $(status "$1" Gid)"
    for field in CapInh CapPrm CapEff CapBnd CapAmb; do
        [ "$(status "$1" $field)" = 0000000000000000 ] || fail "$1 has $field $(status "$1" $field)"
    done
    confined "$1"
}

# confined LOG: whoever it runs as.
confined() {
    [ "$(status "$1" NoNewPrivs)" = 1 ] || fail "$1 may gain privileges"
    grep -q '^Max core file size  *0  *0 ' "/proc/$(lab_pid "$1")/limits" || fail "$1 would dump core"
    awk '/^Max open files/ && $4 != $5 { exit 1 }' "/proc/$(lab_pid "$1")/limits" || fail "$1: descriptors"
    if grep -q 'no sandbox reason=".*sanitizer needs' "$LAB_DIR/$1.err"; then
        return 0 # which also wants to look into the process
    fi
    [ "$(status "$1" Seccomp)" = 2 ] || fail "$1 has no sandbox: $(cat "$LAB_DIR/$1.err")"
    # What can't be dumped can't be looked into: its files in /proc are root's.
    [ "$(stat -c %u "/proc/$(lab_pid "$1")/environ")" = 0 ] || fail "$1 can be dumped"
}

# not_refused LOG: the sandbox was in nobody's way.
not_refused() {
    ! grep 'refused a system call' "$LAB_DIR/$1.err" || fail "the sandbox is in the way of $1"
}

call_works() {
    host_spawn call "$support/turn_pair.py" udp:192.0.2.1:3478 udp:$edge4:3478
    lab_wait_ready call
    kill -TERM "$(lab_pid call)"
    lab_wait call || fail "$1: the call failed: $(tail -n 2 "$LAB_DIR/call.err")"
    [[ $(tail -n 1 "$LAB_DIR/call.out") == *" lost=0 "*" kept=yes" ]] || fail "$1: $(tail -n 1 "$LAB_DIR/call.out")"
}

# logs LOG TEXT: soon.
logs() {
    wait_until 5 grep -q -e "$2" "$LAB_DIR/$1.err" || fail "$1 does not say \"$2\": $(cat "$LAB_DIR/$1.err")"
}

reload() {
    kill -HUP "$(lab_pid "$1")"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up

# Files that only root can read: what was read of them stays.
chmod 700 "$LAB_DIR"
chmod 600 "$LAB_DIR"/{cert.pem,key.pem,secret}
server_start --relay-ip $edge4 --run-as $uid:$gid
gave_up server $uid $gid
logs server 'a file can be read no more, .* option="--secret-file"'
reload server
logs server 'nothing was reread.*Permission denied'
ok "privileges are dropped; what can't be reread stays, and the log says so"

# A token that could never be read again is a mistake, and said at once.
if "$client_program" --server https://edge.test --token-file "$LAB_DIR/token" --ca "$LAB_DIR/ca.pem" \
    --listen 127.0.0.1:0 --admin none --run-as $uid:$gid >/dev/null 2>"$LAB_DIR/refused.err"; then
    fail "a gateway starts that can't read its token"
fi
grep -q "^sallyport-client: --token-file .*: user $uid, group $gid can't read it: Permission denied$" \
    "$LAB_DIR/refused.err" || fail "$(cat "$LAB_DIR/refused.err")"
ok "a gateway that could not read its token says so and ends"

# Files of that user: everything works as before.
host_stop server
chmod 711 "$LAB_DIR"
chown $uid "$LAB_DIR"/{cert.pem,key.pem,secret,token,ca.pem}
server_start --relay-ip $edge4 --run-as $uid:$gid
! grep 'can be read no more' "$LAB_DIR/server.err" || fail "files can't be read"
gateway_start --run-as $uid:$gid
gave_up server $uid $gid
gave_up gateway $uid $gid
call_works "without privileges"
reload server
logs server 'certificate, secrets and users reread'
reload gateway
call_works "after a reload"
curl -sS --cacert "$LAB_DIR/ca.pem" -o /dev/null https://edge.test/ || fail "no site"
metric server allocations >/dev/null
metric gateway tunnel_up >/dev/null
not_refused server
not_refused gateway
host_stop gateway && host_stop server || exit 1
ok "calls, site, reload and metrics without privileges"

# As root, and without the sandbox.
server_start --relay-ip $edge4
gateway_start
confined server
confined gateway
descriptors=$(awk '/^Max open files/ { print $4 }' "/proc/$(lab_pid server)/limits")
logs server "room for clients descriptors=$descriptors by_tls=[1-9][0-9]* behind_gateways=[1-9]"
[ $((0x$(status server CapEff) & ~(1 << 12 | 1 << 2))) = 0 ] || fail "root keeps $(status server CapEff)"
congestion="congestion control for who comes without a gateway name=\""
system=$(cat /proc/sys/net/ipv4/tcp_congestion_control)
if grep -qw bbr /proc/sys/net/ipv4/tcp_allowed_congestion_control; then
    logs server "$congestion$system\" on_loss=\"bbr\"$"
else
    logs server "$congestion$system\" wanted=\"bbr\" reason="
fi
call_works "as root"
not_refused server
not_refused gateway
host_stop gateway && host_stop server || exit 1
server_start --relay-ip $edge4 --sandbox off --turn-congestion no-such-one
logs server 'no sandbox reason="--sandbox off"'
logs server "warn  $congestion$system\" wanted=\"no-such-one\" reason=\"No such file"
[ "$(status server Seccomp)" = 0 ] || fail "a sandbox that was switched off"
ok "as root no more is kept than files of others and larger buffers need; the sandbox can be switched off"
