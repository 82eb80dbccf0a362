# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A sallyport in a lab (lab.sh, which comes with it): the server on host edge, gateways beside callers, and
# credentials for both. Source it, then lab_up. BUILD_DIR says where the programs are.

# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

# The page for calls, where doors_page serves it.
DOORS_PAGE=https://app.test/call.html

# doors_server [OPTION...]: certificate and secret, then the server with these options added; waits until
# it listens. Its admin port is 127.0.0.1:9641 on edge.
doors_server() {
    lab_cert
    (
        umask 077
        openssl rand -hex 32 >"$LAB_DIR/secret"
    )
    doors_start_server "$@"
    doors_credentials alice
}

# Again, with the certificate and secret that are there.
doors_start_server() {
    lab_spawn edge server "$BUILD_DIR/sallyport-server" --listen 198.51.100.2:443 --realm edge.test \
        --drain-timeout "${drain_timeout-0}" \
        --cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --secret-file "$LAB_DIR/secret" "$@"
    lab_wait_ready server
}

# doors_credentials USER: $LAB_DIR/credentials.json and $LAB_DIR/token.
doors_credentials() {
    (
        umask 077
        "$BUILD_DIR/sallyport-server" credentials --secret-file "$LAB_DIR/secret" --user "$1" \
            --host edge.test --json >"$LAB_DIR/credentials.json"
        doors_json "$LAB_DIR/credentials.json" token >"$LAB_DIR/token"
    )
}

# doors_token USER [OPTION...]: one of the tokens that 'sallyport-server credentials' makes.
doors_token() {
    "$BUILD_DIR/sallyport-server" credentials --secret-file "$LAB_DIR/secret" --user "$@" --json >"$LAB_DIR/made.json"
    doors_json "$LAB_DIR/made.json" token
}

# doors_api HOST TOKEN METHOD PATH [CURL-OPTION...]: asks the server's API (server/API.md) from there; its answer.
doors_api() {
    lab_host "$1" curl -sf --max-time 10 --cacert "$LAB_DIR/ca.pem" -H "Authorization: Bearer $2" -X "$3" \
        "https://edge.test/v1/$4" "${@:5}"
}

# doors_gateway HOST [OPTION...]: the gateway there; waits until it listens and its tunnel is up. Its token is in
# $LAB_DIR/token, or $token_file.
doors_gateway() {
    local host=$1
    shift
    lab_spawn "$host" "gateway-$host" "$BUILD_DIR/sallyport-client" --server https://edge.test \
        --token-file "${token_file-$LAB_DIR/token}" --ca "$LAB_DIR/ca.pem" "$@"
    lab_wait_ready "gateway-$host"
    doors_wait_log "gateway-$host" "tunnel up"
}

# doors_wait_log LOG TEXT [SECONDS]: until a log line has TEXT.
doors_wait_log() {
    wait_until "${3:-10}" grep -q -- "$2" "$LAB_DIR/$1.err" || {
        lab_show "$1"
        return 1
    }
}

# doors_ice URL...: an iceServers list with these URLs and alice's TURN credentials.
doors_ice() {
    python3 - "$LAB_DIR/credentials.json" "$@" <<'PYTHON'
import json, sys
given = json.load(open(sys.argv[1]))
print(json.dumps([{"urls": sys.argv[2:], "username": given["username"], "credential": given["credential"]}]))
PYTHON
}

# doors_json FILE KEY...: one value of a JSON file, by the path of its keys.
doors_json() {
    python3 - "$@" <<'PYTHON'
import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    value = value[int(key)] if isinstance(value, list) else value[key]
print(json.dumps(value) if isinstance(value, (dict, list, bool)) else value)
PYTHON
}

# doors_metric NAME: one of the server's metrics.
doors_metric() {
    lab_host edge curl -s --max-time 5 http://127.0.0.1:9641/metrics | awk -v name="$1" '$1 == name {print $2}'
}

# doors_browsers chromium|firefox...: skips the test if one of these is not here, or what drives it.
doors_browsers() {
    local browser modules=$root/tests/e2e/node_modules
    for browser; do
        case $browser in
            chromium) [ -x /usr/bin/chromium ] && [ -d "$modules/playwright-core" ] ;;
            firefox) [ -x /usr/bin/firefox-esr ] && [ -d "$modules/puppeteer-core" ] ;;
        esac || skip "needs $browser and its driver (scripts/test.sh installs them)"
    done
}

# doors_page: the application's web server on app, once a lab.
doors_page() {
    [ ! -e "$LAB_DIR/pages.pid" ] || return 0
    lab_spawn app pages node "$root/tests/support/browser/page_server.mjs" 198.51.100.4:443 \
        "$LAB_DIR/cert.pem" "$LAB_DIR/key.pem"
    lab_wait_ready pages
}

# doors_two_blocked: two blocked callers with a gateway each, and a server that speaks nothing but TLS on
# port 443; $ice is what both pages get.
doors_two_blocked() {
    local host
    lab_up
    doors_server --listen-udp none --serve tunnel,site --relay-ports none --relay-ip 198.51.100.2
    for host in a b; do
        lab_profile "$host" https-only
        doors_gateway "$host"
    done
    # shellcheck disable=SC2034 # for who calls this
    ice=$(doors_ice "turn:192.0.2.1:3478?transport=udp")
}

# doors_no_udp: none of a and b crossed their firewalls, which were in its way.
doors_no_udp() {
    local host crossed refused
    for host in a b; do
        crossed=$(lab_udp_crossed "$host")
        refused=$(lab_udp_refused "$host")
        [ "$crossed" = 0 ] || fail "$crossed UDP packets of $host crossed its firewall"
        [ "$refused" -gt 0 ] || fail "$host's firewall refused no UDP: was it in the way at all?"
    done
}

# doors_call [call.mjs OPTION...]: a call from a to b; its result is $LAB_DIR/call.json.
doors_call() {
    local status=0
    doors_page || return
    node "$root/tests/support/call.mjs" --json "$LAB_DIR/call.json" --url "$DOORS_PAGE" "$@" || status=$?
    [ "$status" = 0 ] || {
        lab_show server
        return "$status"
    }
}
