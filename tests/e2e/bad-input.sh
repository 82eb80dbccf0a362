#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What bad input gets: mistakes in options and files, one line and an exit status; a gateway that the
# server does not take, one line that says why, and patience. Secrets show up nowhere.
# machine: shared
# sanitizers: yes
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2

# refused STATUS WORD COMMAND...: it ends with that status, having said one line that holds the word.
refused() {
    local wanted=$1 word=$2 status=0 what
    shift 2
    what=${*##*/}
    timeout 5 "$@" </dev/null >"$LAB_DIR/refused.out" 2>"$LAB_DIR/refused.err" || status=$?
    [ "$status" = "$wanted" ] || fail "$what: exit status $status: $(head -n 3 "$LAB_DIR/refused.err")"
    [ "$(wc -l <"$LAB_DIR/refused.err")" = 1 ] || fail "$what: not one line: $(cat "$LAB_DIR/refused.err")"
    grep -qF -- "$word" "$LAB_DIR/refused.err" || fail "$what: no \"$word\" in: $(cat "$LAB_DIR/refused.err")"
    [ ! -s "$LAB_DIR/refused.out" ] || fail "$what: to standard output: $(cat "$LAB_DIR/refused.out")"
}

# ---- the server's options and files ----------------------------------------------------------------------

server() {
    local status=$1 word=$2
    shift 2
    refused "$status" "$word" "$server_program" --listen $edge4:0 --listen-udp $edge4:0 --admin none \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" \
        --relay-ip $edge4 "$@"
}

bare_server() {
    local status=$1 word=$2
    shift 2
    refused "$status" "$word" "$server_program" "$@"
}

server_options() {
    local long
    long=$(printf 'x%0500d' 0)
    server 2 --bogus --bogus
    server 2 --bogus --bogus=1
    server 2 stray stray
    server 2 --listen --listen
    server 2 '--listen "nonsense"' --listen nonsense
    server 2 '--listen "127.0.0.1:99999"' --listen 127.0.0.1:99999
    server 2 '--listen-udp "nobody"' --listen-udp nobody
    server 2 '--serve "tunnel,pigeons"' --serve tunnel,pigeons
    server 2 '--serve: wants LIST' --serve ""
    server 2 '--relay-ip "0.0.0.0"' --relay-ip 0.0.0.0
    server 2 '--relay-ip "198.51.100.2=::1"' --relay-ip $edge4=::1
    server 2 '--relay-ports "9-5"' --relay-ports 9-5
    server 2 '--relay-ports "80-90"' --relay-ports 80-90
    server 2 '--allow-peer "10.0.0.0/99"' --allow-peer 10.0.0.0/99
    server 2 '--deny-peer "everybody"' --deny-peer everybody
    server 2 '--linger "0"' --linger 0
    server 2 '--linger "soon"' --linger soon
    server 2 '--admin "9641"' --admin 9641
    server 2 '--log-level "loud"' --log-level loud
    server 2 '--log-format "xml"' --log-format xml
    server 2 --realm --realm "$long"
    server 2 '--user' --user nocolon
    server 2 '--user' --user test:one --user test:two
    server 2 --config --config /no/such/file
    server 2 '0000..."' --serve "$long"
    bare_server 2 '"dance"' dance
    bare_server 2 --cert --secret-file "$LAB_DIR/secret" --relay-ip $edge4
    bare_server 2 --secret-file --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --relay-ip $edge4
    bare_server 2 '--key' --cert "$LAB_DIR/cert.pem" --secret-file "$LAB_DIR/secret" --relay-ip $edge4
    bare_server 2 --relay-ip --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" \
        --relay-ports none
    printf 'linger 5\nno-such-thing 1\n' >"$LAB_DIR/config"
    server 2 "$LAB_DIR/config line 2: unknown option no-such-thing" --config "$LAB_DIR/config"
    refused 2 'SALLYPORT_LINGER "soon"' env SALLYPORT_LINGER=soon "$server_program"
    ok "the server's options"
}

server_files() {
    local file=$LAB_DIR/file
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$LAB_DIR/other-key.pem" 2>/dev/null
    openssl ec -in "$LAB_DIR/key.pem" -aes128 -passout pass:x -out "$LAB_DIR/locked-key.pem" 2>/dev/null
    echo nonsense >"$file"
    server 2 /no/such --cert /no/such
    server 2 /no/such --key /no/such
    server 2 "$LAB_DIR/other-key.pem" --key "$LAB_DIR/other-key.pem"
    server 2 "$LAB_DIR/other-key.pem does not belong to" --key "$LAB_DIR/other-key.pem"
    server 2 "$LAB_DIR/locked-key.pem is encrypted" --key "$LAB_DIR/locked-key.pem"
    server 2 "$file holds no private key" --key "$file"
    server 2 "$file holds no certificate" --cert "$file"
    server 2 "$LAB_DIR/key.pem holds no certificate" --cert "$LAB_DIR/key.pem"
    server 2 "$LAB_DIR: " --cert "$LAB_DIR"
    chmod 600 "$file"
    server 2 /no/such --secret-file /no/such
    server 2 "$LAB_DIR: " --secret-file "$LAB_DIR"
    server 2 /no/such --user-file /no/such
    server 2 "--user-file: $file: number 1 is no good" --user-file "$file" # its line is no NAME:PASSWORD
    printf 'a:1\nb:2\n# c\na:3\nd:4\n' >"$file"
    server 2 "--user-file: $file: number 3 is no good" --user-file "$file"
    server 2 "--user-file: $file: number 2 is no good" --user-file "$file" --user b:5
    server 2 "--user: number 2 is no good" --user-file "$file" --user e:1 --user e:2
    server 2 "--secret-file: /no/such: " --secret-file /no/such
    server 2 "--cert, --key: " --cert /no/such
    refused 2 "one of them, not both" env SALLYPORT_SECRET=x "$server_program" --secret-file "$LAB_DIR/secret" \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --relay-ip $edge4
    chmod 604 "$file"
    server 2 "$file: open to everyone" --secret-file "$file"
    server 2 "$file: open to everyone" --user-file "$file"
    chmod 600 "$file"
    : >"$file"
    server 2 "$file: nothing in it" --secret-file "$file"
    printf 'a\0b\n' >"$file"
    server 2 "$file: line 1 holds control characters" --secret-file "$file"
    ok "the server's files"
}

credentials_options() {
    local program=("$server_program" credentials)
    refused 2 --user "${program[@]}" --secret-file "$LAB_DIR/secret"
    refused 2 --secret-file "${program[@]}" --user alice
    refused 2 "--secret-file: /no/such" "${program[@]}" --user alice --secret-file /no/such
    refused 2 "one of them, not both" env SALLYPORT_SECRET=x "${program[@]}" --user a --secret-file "$LAB_DIR/secret"
    refused 2 '--ttl "0"' "${program[@]}" --user alice --secret-file "$LAB_DIR/secret" --ttl 0
    refused 2 '--user "a b"' "${program[@]}" --user "a b" --secret-file "$LAB_DIR/secret"
    refused 2 '--host "a/b"' "${program[@]}" --user a --secret-file "$LAB_DIR/secret" --host a/b
    ok "credentials"
}

# ---- the gateway's ---------------------------------------------------------------------------------------

gateway() {
    local status=$1 word=$2
    shift 2
    refused "$status" "$word" "$client_program" --listen 127.0.0.1:0 --admin none "$@"
}

gateway_options() {
    local url=(--server https://edge.test) token=(--token-file "$LAB_DIR/token") file=$LAB_DIR/file
    gateway 2 --server "${token[@]}"
    gateway 2 --token-file "${url[@]}"
    for text in edge.test http://edge.test ftp://edge.test https:// https://edge.test:99999 "https://a b" \
        https://user@edge.test; do
        gateway 2 "--server \"$text\"" "${token[@]}" --server "$text"
    done
    gateway 2 --bogus "${url[@]}" "${token[@]}" --bogus
    gateway 2 '--lanes "0"' "${url[@]}" "${token[@]}" --lanes 0
    gateway 2 '--lanes "65"' "${url[@]}" "${token[@]}" --lanes 65
    gateway 2 '--lan "lan"' "${url[@]}" "${token[@]}" --lan lan
    gateway 2 '--listen "3478"' "${url[@]}" "${token[@]}" --listen 3478
    gateway 2 --proxy "${url[@]}" "${token[@]}" --proxy "socks://user:proxysecret@edge.test"
    ! grep proxysecret "$LAB_DIR/refused.err" || fail "a proxy's password is shown"
    gateway 2 /no/such "${url[@]}" --token-file /no/such
    (umask 077 && "$server_program" credentials --secret-file "$LAB_DIR/secret" --user a >"$LAB_DIR/no-token")
    gateway 2 "$LAB_DIR/no-token: not a token" "${url[@]}" --token-file "$LAB_DIR/no-token"
    (umask 077 && echo nonsense >"$LAB_DIR/no-token")
    gateway 2 "it starts with v1." "${url[@]}" --token-file "$LAB_DIR/no-token"
    refused 2 SALLYPORT_TOKEN env SALLYPORT_TOKEN=x "$client_program" "${url[@]}" "${token[@]}"
    cp "$LAB_DIR/token" "$file"
    chmod 644 "$file"
    gateway 2 "$file: open to everyone" "${url[@]}" --token-file "$file"
    gateway 2 /no/such "${url[@]}" "${token[@]}" --ca /no/such
    echo nonsense >"$file"
    gateway 2 "$file holds no CA certificate" "${url[@]}" "${token[@]}" --ca "$file"
    gateway 2 "option dance" dance
    refused 2 '"dance"' "$client_program" dance
    ok "the gateway's options and files"
}

# The system's refusals, exit status 1: what is asked for is right, but is not to be had here.
taken_ports() {
    local token=(--server https://edge.test --token-file "$LAB_DIR/token")
    server 1 "$edge4:443" --listen $edge4:443
    server 1 "$edge4:3478" --listen-udp $edge4:3478
    server 1 127.0.0.1:9641 --admin 127.0.0.1:9641
    server 1 'names the addresses of this host' --listen 203.0.113.7:443
    server 1 'ss -lntup' --listen $edge4:443
    refused 1 "ports below 1024" setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service \
        "$server_program" --listen 127.0.0.1:80 --listen-udp none --admin none --serve turn --user a:b --relay-ip $edge4
    gateway 1 127.0.0.1:3478 "${token[@]}" --listen 127.0.0.1:3478
    gateway 1 127.0.0.1:9641 "${token[@]}" --admin 127.0.0.1:9641
    refused 1 "tcp 127.0.0.1:9641" "$client_program" "${token[@]}" --admin none --listen 127.0.0.1:9641
    ok "ports that are taken, and addresses of others"
}

help_and_version() {
    local program
    for program in "$server_program" "$client_program" "$server_program credentials"; do
        # shellcheck disable=SC2086
        $program --help >"$LAB_DIR/help" 2>"$LAB_DIR/help.err" || fail "$program --help"
        [[ $(head -n 1 "$LAB_DIR/help") == Usage:* && ! -s $LAB_DIR/help.err ]] || fail "$program --help"
    done
    for program in "$server_program" "$client_program"; do
        [[ $("$program" --version) == *wolfSSL*AES* ]] || fail "$program --version says $("$program" --version)"
    done
    ok "--help and --version"
}

# ---- a gateway that is not wanted ------------------------------------------------------------------------

# unwanted NAME PORT OPTION...: a gateway that is to fail, beside others.
unwanted() {
    local name=$1 port=$2
    shift 2
    host_spawn "$name" "$client_program" --listen "127.0.0.1:$port" --admin "127.0.0.1:$((port + 1000))" "$@"
    lab_wait_ready "$name"
}

# says NAME WORD...: its one warning has these in it. (A sanitized build warns, too, that it has no sandbox.)
says() {
    local name=$1 word line
    line=$(grep ' warn ' "$LAB_DIR/$name.err" | grep -v 'no sandbox reason="an address sanitizer' || true)
    for word in "${@:2}"; do
        [[ $line == *"$word"* ]] || fail "$name: no \"$word\" in: $line"
    done
    [ "$(wc -l <<<"$line")" = 1 ] || fail "$name: $(cat "$LAB_DIR/$name.err")"
}

# backs_off NAME PORT SECONDS: so many tries in that time are patience; none would be giving up. It sleeps
# in between.
backs_off() {
    local tries ticks seconds=$3
    tries=$(curl -sS "http://127.0.0.1:$(($2 + 1000))/metrics" | sed -n 's/^sallyport_uplink_tries_total //p')
    [[ $tries -ge 3 && $tries -le $((seconds + 4)) ]] || fail "$1: $tries tries in $seconds s"
    ticks=$(awk '{ print $14 + $15 }' "/proc/$(lab_pid "$1")/stat")
    [ "$ticks" -le $((seconds * $(getconf CLK_TCK) / 10)) ] || fail "$1: used the processor for $ticks ticks"
}

unwanted_gateways() {
    local url=(--server https://edge.test) token=(--token-file "$LAB_DIR/token") ca=(--ca "$LAB_DIR/ca.pem")
    local year accepted
    local cases=(wrong-ca wrong-name expired wrong-secret wrong-path no-server no-name not-http)
    (umask 077 && echo "another secret" >"$LAB_DIR/other-secret")
    "$server_program" credentials --secret-file "$LAB_DIR/other-secret" --user alice --json >"$LAB_DIR/other.json"
    (umask 077 && json token "$LAB_DIR/other.json" >"$LAB_DIR/other-token")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$LAB_DIR/other-ca-key.pem" \
        -out "$LAB_DIR/other-ca.pem" -days 2 -subj "/CN=somebody else" 2>/dev/null
    host_spawn mute openssl s_server -accept $edge4:8443 -quiet -rev \
        -cert "$LAB_DIR/cert.pem" -key "$LAB_DIR/key.pem"
    wait_until 5 is 'ss -Hltn "sport = 8443" | wc -l' -eq 1 || fail "openssl s_server does not start"
    accepted=$(metric server connections_accepted_total)

    unwanted wrong-ca 5001 "${url[@]}" "${token[@]}" --ca "$LAB_DIR/other-ca.pem"
    unwanted wrong-name 5002 "${token[@]}" "${ca[@]}" --server https://127.0.0.1
    unwanted expired 5003 "${url[@]}" "${ca[@]}" --token-file "$LAB_DIR/expired-token"
    unwanted wrong-secret 5004 "${url[@]}" "${ca[@]}" --token-file "$LAB_DIR/other-token"
    unwanted wrong-path 5005 "${token[@]}" "${ca[@]}" --server https://edge.test/elsewhere
    unwanted no-server 5006 "${token[@]}" "${ca[@]}" --server https://edge.test:444
    unwanted no-name 5007 "${token[@]}" "${ca[@]}" --server https://nobody.test
    unwanted not-http 5008 "${token[@]}" "${ca[@]}" --server https://edge.test:8443
    sleep 6
    year=$(date -u +%Y)
    says wrong-ca "certificate for edge.test" "signed by" "sallyport lab CA" --ca
    says wrong-name "certificate is for edge.test" "not for 127.0.0.1"
    says expired expired "$year" "the server's clock says"
    says wrong-secret "the token was refused"
    says wrong-path "wrong path"
    says no-server "cannot connect" "refused"
    says no-name "cannot find the address of nobody.test"
    says not-http "does not speak HTTP"
    for i in "${!cases[@]}"; do
        backs_off "${cases[i]}" $((5001 + i)) 6
    done
    [ $(($(metric server connections_accepted_total) - accepted)) -le 50 ] || fail "the server is stormed"
    ok "a gateway that is not taken says why, once, and backs off"

    cp "$LAB_DIR/token" "$LAB_DIR/other-token"
    wait_until 10 grep -q 'tunnel up' "$LAB_DIR/wrong-secret.err" || fail "the renewed token is not read"
    ok "a renewed token is read without a restart"
    for name in "${cases[@]}"; do
        lab_stop "$name"
    done
    lab_stop mute
}

# dated NAME FROM UNTIL: a certificate for edge.test of that time, NAME.pem, signed by dated-ca.pem; its key is key.pem.
dated() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    (
        cd "$LAB_DIR" || exit
        [ -f dated-ca.pem ] ||
            openssl req -x509 "${key[@]}" -keyout dated-ca-key.pem -out dated-ca.pem -days 2 -subj "/CN=dated CA"
        printf '%s\n' '[ca]' 'default_ca = it' '[it]' 'new_certs_dir = .' 'database = dated.txt' 'rand_serial = yes' \
            'default_md = sha256' 'policy = any' 'x509_extensions = names' '[any]' 'commonName = supplied' \
            '[names]' 'subjectAltName = DNS:edge.test' >dated.conf
        : >dated.txt
        openssl req -new -key key.pem -subj /CN=edge.test -out dated.csr
        openssl ca -batch -notext -config dated.conf -cert dated-ca.pem -keyfile dated-ca-key.pem -in dated.csr \
            -startdate "$2" -enddate "$3" -out "$1.pem"
    ) 2>"$LAB_DIR/openssl.err" || fail "openssl: $(tail -n 1 "$LAB_DIR/openssl.err")"
}

# Certificates of another time: both sides say so, and the gateway blames no CA.
certificate_dates() {
    local name day=86400
    local -A word=([expired-cert]="has expired" [future-cert]="is not valid yet")
    dated expired-cert 20200101000000Z 20210101000000Z
    dated future-cert "$(date -u -d "@$(($(date +%s) + day))" +%Y%m%d%H%M%SZ)" 20490101000000Z
    dated later-cert "$(date -u -d "@$(($(date +%s) - day))" +%Y%m%d%H%M%SZ)" 20490101000000Z
    cp "$LAB_DIR/later-cert.pem" "$LAB_DIR/dated-cert.pem"
    server_start --relay-ip $edge4 --cert "$LAB_DIR/dated-cert.pem"
    ! grep -q 'the certificate' "$LAB_DIR/server.err" || fail "a good certificate: $(cat "$LAB_DIR/server.err")"
    for name in expired-cert future-cert; do
        cp "$LAB_DIR/$name.pem" "$LAB_DIR/dated-cert.pem"
        kill -HUP "$(lab_pid server)"
        wait_until 5 grep -q "warn .*the certificate ${word[$name]}: " "$LAB_DIR/server.err" ||
            fail "$name: SIGHUP, and no word of it"
        host_stop server
        server_start --relay-ip $edge4 --cert "$LAB_DIR/dated-cert.pem"
        grep -q "warn .*the certificate ${word[$name]}: " "$LAB_DIR/server.err" || fail "$name: no word of it at start"
        unwanted $name 5010 --server https://edge.test --token-file "$LAB_DIR/token" --ca "$LAB_DIR/dated-ca.pem"
        wait_until 10 grep -q 'could not open a lane' "$LAB_DIR/$name.err" || fail "$name: a gateway takes it"
        says $name "the server needs a new one" "this host's clock (" "$(date -u +%Y) "
        ! grep -q -- --ca "$LAB_DIR/$name.err" || fail "$name: another CA would help nobody"
        lab_stop $name
    done
    grep -q 'not valid before' "$LAB_DIR/future-cert.err" || fail "$(cat "$LAB_DIR/future-cert.err")"
    grep -q 'expired on 2021-01-01' "$LAB_DIR/expired-cert.err" || fail "$(cat "$LAB_DIR/expired-cert.err")"
    host_stop server
    ok "a certificate of another time is named by the server at start and at SIGHUP, and by the gateway"
}

# The subject has two tunnels by now, and its server lets it have no more: nothing is wrong with the token.
no_room() {
    unwanted crowded 5009 --server https://edge.test --token-file "$LAB_DIR/token" --ca "$LAB_DIR/ca.pem"
    wait_until 10 grep -q 'could not open a lane' "$LAB_DIR/crowded.err" || fail "a gateway too many is taken"
    says crowded "not able just now (status 503)"
    [ "$(metric server 'bounds_hit_total{bound="max-tunnels-per-subject"}')" -ge 1 ] || fail "the bound is not counted"
    grep -q 'upgrade refused .*reason="full"' "$LAB_DIR/server.err" || fail "the server does not say why"
    lab_stop crowded
    ok "at a bound of its subject a gateway is told to come again, and blames no token"
}

# ---- secrets ---------------------------------------------------------------------------------------------

# Of everything that the two of them hold: nothing may be in ps, in a log or in a core.
secrets() {
    local log id call=(turnutils_uclient -y -c -n 2 -u test2) hidden=(staticpassword wrongpassword)
    gateway_start --log-level debug
    printf '%s\r\n' "GET /.well-known/sallyport HTTP/1.1" "Host: edge.test" "Connection: Upgrade" \
        "Upgrade: rfc4571" "Authorization: Bearer $(cat "$LAB_DIR/token")" "Sallyport-Tunnel: new" "" |
        "$support/raw.py" tls $edge4 443 >"$LAB_DIR/knock"
    id=$(sed -n 's/^Sallyport-Tunnel: \([0-9a-f]*\)\r$/\1/p' "$LAB_DIR/knock")
    [ "${#id}" = 36 ] || fail "no tunnel id in $(cat "$LAB_DIR/knock")"
    timeout 15 "${call[@]}" -w staticpassword 192.0.2.1 >"$LAB_DIR/call.out" 2>&1 || fail "no call"
    ! timeout 15 "${call[@]}" -w wrongpassword 192.0.2.1 >"$LAB_DIR/call.out" 2>&1 || fail "a wrong password is taken"
    hidden+=("$id" "$(cat "$LAB_DIR/token")" "$(json credential "$LAB_DIR/credentials.json")")
    hidden+=("$(cat "$LAB_DIR/secret")" "$(cat "$LAB_DIR/other-secret")")
    for log in server gateway; do
        tr '\0' ' ' <"/proc/$(lab_pid $log)/cmdline" >"$LAB_DIR/cmdline"
        grep -q -- --log-level "$LAB_DIR/cmdline" || fail "$log has no command line"
        ! grep -q staticpassword "$LAB_DIR/cmdline" || fail "ps shows a password: $(cat "$LAB_DIR/cmdline")"
        grep -q '^Max core file size  *0  *0 ' "/proc/$(lab_pid $log)/limits" || fail "$log may dump its core"
        [ "$(wc -l <"$LAB_DIR/$log.err")" -ge 4 ] || fail "$log has no log to speak of"
        ! printf '%s\n' "${hidden[@]}" | grep -nFf - "$LAB_DIR/$log.err" || fail "a secret in the log of the $log"
        ! grep -nE '[0-9a-f]{36}|v1\.[A-Za-z0-9_-]{20}' "$LAB_DIR/$log.err" || fail "an id or a token in a log"
    done
    ok "no secret in ps, in logs or in core dumps"
}

need_packages python3
need_commands turnutils_uclient=coturn curl=curl openssl=openssl ip=iproute2
host_up
(umask 077 && credentials alice --ttl 1 | json token /dev/stdin >"$LAB_DIR/expired-token")
server_options
server_files
credentials_options
gateway_options
help_and_version
# Its certificate has other names than 127.0.0.1.
server_start --relay-ip $edge4 --listen 127.0.0.1:443 --user static:other --log-level debug
gateway_start
taken_ports
host_stop gateway
unwanted_gateways
host_stop server
certificate_dates
server_start --relay-ip $edge4 --log-level debug --user test2:staticpassword --max-tunnels-per-subject 2 --linger 600
secrets
no_room
