#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The units of systemd, in a systemd: README.md's steps word for word, on two hosts of the lab that are booted for
# it. A call goes through; they run as nobody, confined, can be reloaded, come back when they die, and end
# when they are told to.
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"
# shellcheck source=tests/support/readme.sh
. "$root/tests/support/readme.sh"

# ---- hosts that are booted -------------------------------------------------------------------------------

# boot HOST...: each with what `cmake --install` makes, and with this host's /etc, but for its services.
boot() {
    local host folder
    for host; do
        folder=$LAB_DIR/$host
        mkdir -p "$folder/home"
        DESTDIR=$folder/install cmake --install "$BUILD_DIR" --prefix /usr/local >"$folder/install.log"
        mv "$folder/install/usr/local" "$folder/local"
        cp -a /etc "$folder/etc"
        cp --remove-destination "/etc/netns/$(lab_ns "$host")"/* "$folder/etc"
        rm -rf "$folder"/etc/{fstab,systemd/system,rc?.d,sallyport}
        tr -d - </proc/sys/kernel/random/uuid >"$folder/etc/machine-id"
        lab_spawn "$host" "boot-$host" bash "$root/tests/support/boot.sh" "$folder"
    done
    for host; do
        wait_until 60 is_up "$host" || {
            lab_show "boot-$host"
            fail "$host does not boot: $(within "$host" systemctl list-units --failed --no-pager --plain 2>&1)"
        }
    done
    ok "$* run systemd"
}

is_up() {
    [ -s "$LAB_DIR/$1/pid" ] && within "$1" systemctl is-active --quiet basic.target 2>/dev/null
}

# within HOST COMMAND...
within() {
    local host=$1
    shift
    nsenter -t "$(cat "$LAB_DIR/$host/pid")" --mount --pid --net --uts --ipc --cgroup --root -- \
        env -i -C /root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# on HOST NUMBER: does what that block of README.md says.
on() {
    readme_block "As a service" "$2" >"$LAB_DIR/$1/home/steps" || fail "README.md has no block $2 about services"
    within "$1" bash -e steps || {
        within "$1" journalctl --no-pager -n 30 >&2
        fail "what README.md says for host $1 fails"
    }
}

# says HOST TEXT: until the journal does.
says() {
    wait_until 20 journal_has "$@" || {
        within "$1" journalctl --no-pager -n 30 >&2
        fail "$1 does not say: $2"
    }
}

journal_has() {
    within "$1" journalctl --no-pager -o cat | grep -q -- "$2"
}

# property HOST UNIT NAME
property() {
    within "$1" systemctl show --value -p "$3" "$2"
}

# ---- the units by themselves ---------------------------------------------------------------------------

judged() {
    local unit drain
    for unit in sallyport-server sallyport-client; do
        within edge systemd-analyze verify --man=no "/usr/local/lib/systemd/system/$unit.service" 2>verify.err ||
            fail "$unit: $(cat verify.err)"
        [ ! -s verify.err ] || fail "$unit: $(cat verify.err)"
        within edge systemd-analyze security --offline=yes --threshold=20 --no-pager \
            "/usr/local/lib/systemd/system/$unit.service" >judged.out || fail "exposed: $(tail -n 1 judged.out)"
        tail -n 1 judged.out
    done
    ok "systemd-analyze has no objection"
    drain=$(within edge sallyport-server --help all | tr -s ' \n' ' ' |
        sed -n 's/.* --drain-timeout SECONDS [^(]*(default: \([0-9]*\)).*/\1/p')
    [[ $(property edge sallyport-server TimeoutStopUSec) = "1min 30s" && ${drain:-0} -lt 90 ]] ||
        fail "systemd's patience ends before the server's (--drain-timeout $drain)"
}

# confined HOST UNIT: who its process is, and what it may.
confined() {
    local pid user status line
    pid=$(property "$1" "$2" MainPID)
    user=$(within "$1" id -u sallyport)
    status=$(within "$1" cat "/proc/$pid/status")
    for line in "Uid:$user$user$user$user" CapPrm:0000000000000000 NoNewPrivs:1 Seccomp:2; do
        grep -q "^$line$" <<<"${status//[$'\t ']/}" || fail "$2 is not confined ($line): $status"
    done
}

# ---- README.md -----------------------------------------------------------------------------------------

serve() {
    (umask 077 && openssl rand -hex 32 >secret)
    cp cert.pem edge/home/fullchain.pem
    cp key.pem edge/home/privkey.pem
    cp secret edge/home/secret
    on edge 2
    says edge '^ready tcp \[::\]:443 .*relay 198.51.100.2'
    confined edge sallyport-server
    ok "the server, as README.md says: ready on port 443, not root, confined"
}

pass() {
    within edge sallyport-server credentials --secret-file /etc/sallyport/secret --user alice --host edge.test >credentials.out
    (umask 077 && sed -n 's/^token *//p' credentials.out >a/home/token)
    chmod 644 ca.pem
    cp --remove-destination ca.pem a/etc/ssl/certs/ca-certificates.crt
    lab_profile a https-only
    lab_host a ip address del 192.0.2.1/32 dev lo
    on a 3
    says a "tunnel up"
    confined a sallyport-client
    within a sallyport-local-address --status 2>status.err || fail "the unit adds no local address"
    grep -q 'is on 0sallyport$' status.err || fail "the local address has no interface of its own: $(cat status.err)"
    ok "the gateway, as README.md says: local address on an interface of its own, tunnel up, not root, confined"
}

call() {
    local last
    lab_host a timeout 60 turnutils_uclient -y -m 4 -n 50 -l 300 -u alice -W "$(cat secret)" 192.0.2.1 >call.out 2>&1 ||
        fail "no call: $(tail -n 3 call.out)"
    last=$(grep -o 'tot_send_msgs=[0-9]*, tot_recv_msgs=[0-9]*$' call.out | tail -n 1)
    [ "$last" = "tot_send_msgs=200, tot_recv_msgs=200" ] || fail "the call lost some: $last"
    ok "a call through both"
}

# ---- a service's life ------------------------------------------------------------------------------------

reloads() {
    within edge systemctl reload sallyport-server
    says edge "reread"
    within a systemctl reload sallyport-client
    ! journal_has edge "nothing was reread" || fail "files can be read at the start only"
    [ "$(property edge sallyport-server ActiveState)" = active ] || fail "a reload ended the server"
    ok "systemctl reload"
}

comes_back() {
    within edge systemctl kill -s SEGV sallyport-server
    wait_until 20 restarted || fail "it is not started again: $(within edge systemctl status --no-pager sallyport-server)"
    within edge systemctl stop sallyport-server
    [ "$(property edge sallyport-server Result)" = success ] || fail "it does not end well"
    echo "linger soon" >>edge/etc/sallyport/server.conf
    ! within edge systemctl start sallyport-server 2>/dev/null || fail "it starts with a wrong setting"
    says edge 'server.conf line 4: linger "soon"'
    [ "$(property edge sallyport-server ActiveState)" = failed ] || fail "a wrong setting is tried again"
    within a systemctl stop sallyport-client
    [ "$(property a sallyport-client Result)" = success ] || fail "the gateway does not end well"
    ok "back after a crash, not after a wrong setting; ends well"
}

restarted() {
    [ "$(property edge sallyport-server NRestarts)" = 1 ] && [ "$(property edge sallyport-server SubState)" = running ]
}

[ "$(id -u)" = 0 ] || skip "needs root"
need_packages systemd openssl coturn iproute2 nftables
lab_up
cd "$LAB_DIR"
lab_cert
boot edge a
judged
serve
pass
call
reloads
comes_back
