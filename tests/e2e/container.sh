#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 1800
#
# The Dockerfile builds, from a bare Debian and without an engine. What README.md says about containers is
# done word for word, with the lab for the internet: a server, a gateway behind a firewall that lets
# nothing out but HTTPS, and a call. Until the image is built it runs on processors that nobody else wants.
# machine: idle
set -euo pipefail
# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"
# shellcheck source=tests/support/readme.sh
. "$root/tests/support/readme.sh"

base=docker.io/library/debian:bookworm-slim
max_image_bytes=60000000

# ---- the base, and the image ---------------------------------------------------------------------------

# What this host's apt is told about getting at mirrors: proxies, certificates, clocks that differ. As apt's
# own configuration reads it.
mirror_settings() {
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Check-|Retries|Max-FutureTime)' || true
}

# The sources of Debian's packages that this host uses itself, for one suite each.
mirrors() {
    local suite uri
    for suite in bookworm bookworm-updates bookworm-security; do
        # shellcheck disable=SC2016 # apt-get fills these in
        uri=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
            awk -v suite=$suite '$1 == suite { print $2; exit }')
        [ -z "$uri" ] || echo "deb $uri $suite main"
    done
}

# debian:bookworm-slim, made here: as bare as that one, and the same for apt.
make_base() {
    local container folder
    mirror_settings >"$LAB_DIR/apt.conf"
    mirrors >"$LAB_DIR/sources.list"
    printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-include=/usr/share/doc/*/copyright' \
        'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/locale/*' >"$LAB_DIR/dpkg.conf"
    container=$(storage from scratch)
    folder=$(storage mount "$container")
    # What it mounts there is gone with it, however it ends.
    unshare --mount mmdebstrap --quiet --variant=minbase --aptopt="$LAB_DIR/apt.conf" \
        --aptopt='Acquire::Languages "none"' --dpkgopt="$LAB_DIR/dpkg.conf" bookworm "$folder" "$LAB_DIR/sources.list" ||
        fail "mmdebstrap could not make a Debian"
    # Mirrors that speak HTTPS may have a certificate that this host trusts, and a bare Debian doesn't.
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
    storage commit --quiet --rm "$container" $base >/dev/null
    ok "a base like $base"
}

storage() {
    buildah --root "$DOCKER_STATE/storage" --runroot "$DOCKER_STATE/run" --storage-driver vfs "$@"
}

build_image() {
    cd "$root"
    readme 1 >"$LAB_DIR/build.sh"
    bash -e "$LAB_DIR/build.sh" >"$LAB_DIR/build.log" 2>&1 || {
        tail -n 30 "$LAB_DIR/build.log" >&2
        fail "the image does not build"
    }
    cd "$LAB_DIR"
    ok "the image builds"
}

# Files in the image, as the layer has them.
image() {
    (cd "$(cat "$DOCKER_STATE/sallyport.root")" && find . "$@")
}

look_at_image() {
    local bytes found config
    docker run --rm sallyport sallyport-client --version >/dev/null # unpacks it
    bytes=$(image -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
    [ "$bytes" -lt $max_image_bytes ] || fail "the image has $bytes bytes"
    found=$(image -perm /6000)
    [ -z "$found" ] || fail "setuid or setgid: $found"
    found=$(image -type f -perm /111 ! -name '*.so*' | sort | xargs)
    [ "$found" = "./usr/bin/sallyport-client ./usr/bin/sallyport-server" ] || fail "what can be run: $found"
    found=$(image -path './var/lib/apt*' -o -path './var/cache*' -o -name '*.h' -o -name '*.a' -o ! -user 0)
    [ -z "$found" ] || fail "left behind: $found"
    [ "$(image -path './var/lib/dpkg/status.d/libc6' | wc -l)" = 1 ] || fail "scanners do not find libc6"
    config=$(storage inspect --type image sallyport)
    [[ $config == *'"User": "65532:65532"'* ]] || fail "it runs as root"
    ok "the image: $bytes bytes, two programs, nobody's rights"
}

# ---- README.md -----------------------------------------------------------------------------------------

# readme NUMBER: what to type.
readme() {
    readme_block "In a container" "$1" || fail "README.md has no block $1 about containers"
}

# on HOST NUMBER: does what that block says on that host, which gets an /etc of its own to do it in.
on() {
    local host=$1
    readme "$2" >"$LAB_DIR/$host.sh"
    mkdir -p "$LAB_DIR/etc-$host"
    cp -a /etc/. "$LAB_DIR/etc-$host"
    # shellcheck disable=SC2016
    lab_host "$host" unshare --mount bash -c 'cp --remove-destination /etc/hosts /etc/resolv.conf "$1" &&
        mount --bind "$1" /etc && exec bash -e "$2"' bash "$LAB_DIR/etc-$host" "$LAB_DIR/$host.sh" ||
        fail "what README.md says for host $host fails"
}

# wait_for NAME TEXT: until a container has said so.
wait_for() {
    wait_until 20 has_said "$@" || {
        docker logs "$1" | tail -n 20 >&2
        fail "$1 does not say \"$2\""
    }
}

has_said() {
    docker logs "$1" | grep -q -- "$2"
}

# health NAME WORD: docker ps says so of it.
health() {
    wait_until 20 has_health "$@" || fail "$1 is not $2: $(docker ps | grep "^$1"$'\t')"
}

has_health() {
    [[ $(docker ps | grep "^$1"$'\t') == "$1"$'\t'"$2"$'\t'* ]]
}

# Every container's first process runs as nobody in particular.
is_nobody() {
    local pid
    pid=$(cat "/proc/$(cat "$DOCKER_STATE/$1/outer")/task/$(cat "$DOCKER_STATE/$1/outer")/children")
    grep -q '^Uid:[[:space:]]65532[[:space:]]65532[[:space:]]65532[[:space:]]65532$' "/proc/${pid% }/status" ||
        fail "$1 runs as $(grep '^Uid' "/proc/${pid% }/status")"
}

serve() {
    cp cert.pem fullchain.pem
    cp key.pem privkey.pem
    (umask 077 && openssl rand -hex 32 >secret)
    on edge 2 >credentials
    wait_for sallyport '^ready tcp \[::\]:443 .*relay 198.51.100.2'
    is_nobody sallyport
    health sallyport healthy
    (umask 077 && sed -n 's/^token *//p' credentials >token)
    grep -q '^v1\.' token || fail "no token in: $(cat credentials)"
    ok "the server, as README.md says: ready on port 443, not root, healthy"
}

pass() {
    lab_profile a https-only
    chmod 644 ca.pem
    export DOCKER_TRUSTED_CA=$LAB_DIR/ca.pem
    on a 3
    wait_for gateway "tunnel up"
    is_nobody gateway
    health gateway healthy
    ok "the gateway, as README.md says: its tunnel is up through a firewall, not root, healthy"
}

call() {
    local last
    lab_host a timeout 60 turnutils_uclient -y -m 4 -n 50 -l 300 -u alice -W "$(cat secret)" 192.0.2.1 >call.out 2>&1 ||
        fail "no call: $(tail -n 3 call.out)"
    last=$(grep -o 'tot_send_msgs=[0-9]*, tot_recv_msgs=[0-9]*$' call.out | tail -n 1)
    [ "$last" = "tot_send_msgs=200, tot_recv_msgs=200" ] || fail "the call lost some: $last"
    [ "$(lab_udp_crossed a)" = 0 ] || fail "UDP crossed the firewall"
    ok "a call through both"
}

# ---- what else it says -----------------------------------------------------------------------------------

sickness() {
    docker kill -s HUP sallyport
    wait_for sallyport "reread"
    docker kill -s TERM sallyport # a second one does not wait for calls
    docker stop sallyport
    health gateway unhealthy
    docker stop gateway
    wait_for gateway stopped
    ok "the gateway is not healthy without its server; both end by themselves"
}

# other LOG OPTION...: a short-lived container's output, and its status.
other() {
    status=0
    docker run --rm "$@" >other.out 2>other.err || status=$?
}

other_ways() {
    other sallyport
    [[ $status = 2 && $(cat other.err) == *"--cert"* ]] || fail "the server is not the default: $(cat other.err)"
    other --read-only --cap-drop ALL --security-opt no-new-privileges sallyport sallyport-client --version
    [[ $status = 0 && $(cat other.out) == "sallyport-client "*wolfSSL* ]] || fail "without rights: $(cat other.err)"
    SALLYPORT_SECRET=$(cat secret) other -e SALLYPORT_SECRET sallyport sallyport-server credentials --user bob
    [[ $status = 0 && $(cat other.out) == *"v1."* ]] || fail "SALLYPORT_SECRET: $(cat other.err)"
    install -m 644 key.pem open-key.pem
    chmod 644 secret cert.pem
    other -v "$LAB_DIR/secret:/secret:ro" sallyport sallyport-server credentials --user bob --secret-file /secret
    [ $status = 0 ] || fail "an open secret on a read-only mount is fine: $(cat other.err)"
    other -v "$LAB_DIR/secret:/secret" sallyport sallyport-server credentials --user bob --secret-file /secret
    [[ $status = 2 && $(cat other.err) == *"open to everyone"* ]] || fail "an open secret on a writable mount is not"
    lab_host edge docker run -d --name elsewhere --read-only -v "$LAB_DIR/secret:/secret:ro" \
        -v "$LAB_DIR/cert.pem:/cert.pem:ro" -v "$LAB_DIR/open-key.pem:/key.pem:ro" -e SALLYPORT_ADMIN=127.0.0.1:9000 \
        sallyport sallyport-server --cert /cert.pem --key /key.pem --secret-file /secret --listen-udp none \
        --relay-ports none --relay-ip 198.51.100.2 >/dev/null
    wait_for elsewhere "^ready .*admin 127.0.0.1:9000"
    health elsewhere healthy
    docker stop elsewhere
    ok "no command, no rights, read-only, an admin port elsewhere, secrets by environment and by mounts"
}

[ "$(id -u)" = 0 ] || skip "needs root"
need_packages mmdebstrap buildah python3 openssl coturn iproute2
lab_up
export DOCKER_STATE=$LAB_DIR/docker PATH=$LAB_DIR/bin:$PATH BUILDAH_ISOLATION=chroot
mkdir "$LAB_DIR/bin"
ln -s "$root/tests/support/docker.py" "$LAB_DIR/bin/docker"
chrt --idle --pid 0 $$
make_base
build_image
look_at_image
chrt --other --pid 0 $$ # from here on others wait for it
lab_cert
serve
pass
call
sickness
other_ways
