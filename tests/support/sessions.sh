# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Calls by sallyport.js in a lab (doors.sh, which comes with it): a server that has sessions and the page that makes
# them, a gateway on either LAN, and browsers that are started once. Source it, then sessions_up.
#
#     a ── fwa ──┐
#            ║   ├── internet ── edge
#     b ── fwb ──┘
#
# sessions_office joins the LANs of a and b to one, on which the two reach each other past their firewalls, as two who
# sit in one office. The gateway on a, lan-a, is for all on it.

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/doors.sh"

sessions_page=https://edge.test/session.html

# sessions_up KIND...: all of it, with such browsers on both hosts. The server's UDP port is 3478.
sessions_up() {
    local host site
    doors_browsers "$@"
    lab_up
    _sessions_wire
    site=$LAB_DIR/site
    mkdir "$site"
    cp "$root"/tests/support/session.html "$root"/tests/support/session_page.js "$site"
    doors_server --listen-udp 198.51.100.2:3478 --serve tunnel,turn,ice-tcp,api,site --site "$site" --origin https://edge.test \
        --relay-ports none --relay-ip 198.51.100.2
    maker=$(doors_token app --scope session)
    for host in a b; do
        sessions_gateway $host
    done
    "$root/scripts/firewall.sh" open --netns "$(lab_ns edge)"
    coproc BROWSERS {
        exec node "$root/tests/support/session_calls.mjs" "$sessions_page" "$(lab_ns a)" "$(lab_ns b)" "$@"
    }
    # shellcheck disable=SC2153 # coproc sets it
    browsers_pid=$BROWSERS_PID
    exec {browsers_in}>&"${BROWSERS[1]}" {browsers_out}<&"${BROWSERS[0]}"
    # Or they would not hear when all has been asked.
    # shellcheck disable=SC1083,SC2093 # {NAME[i]} is a name here, too
    exec {BROWSERS[1]}>&- {BROWSERS[0]}<&-
    _sessions_answer "the browsers begin"
}

# Ends the browsers in good order.
sessions_down() {
    exec {browsers_in}>&-
    wait "$browsers_pid" || fail "the browsers ended with status $?"
}

# The LANs become switches, with a wire between them that is not plugged in.
_sessions_wire() {
    local host net=0
    _lab_ip fwa link add office type veth peer name office netns "$(lab_ns fwb)"
    for host in fwa fwb; do
        ((++net))
        # Where the kernel can show bridged packets to a firewall it must not: they don't pass it.
        _lab_sysctl $host net/bridge/bridge-nf-call-iptables 0
        _lab_sysctl $host net/bridge/bridge-nf-call-ip6tables 0
        _lab_ip $host link add switch type bridge
        _lab_ip $host address flush dev lan
        _lab_ip $host link set lan master switch
        _lab_ip $host link set office master switch
        _lab_ip $host link set switch up
        _lab_address $host switch 10.$net.0.1/24 2001:db8:$net::1/64
    done
}

# sessions_office joined|apart
sessions_office() {
    local host state=down
    [ "$1" = apart ] || state=up
    for host in a b; do
        _lab_ip fw$host link set office $state
    done
    _lab_ip a route flush 10.2.0.0/24
    _lab_ip b route flush 10.1.0.0/24
    [ "$1" = apart ] || { _lab_ip a route add 10.2.0.0/24 dev lan && _lab_ip b route add 10.1.0.0/24 dev lan; }
}

# sessions_gateway a|b [USER [OPTION...]]: starts it, "lan-a" or "lan-b", by the credentials of that user.
sessions_gateway() {
    local user=${2-lan-$1} listen=() token_file
    token_file=$LAB_DIR/token-$user
    [ -s "$token_file" ] || (umask 077 && doors_token "$user" --gateway "lan-$1" >"$token_file")
    [ "$1" = b ] || listen=(--listen 127.0.0.1:3478 --listen 192.0.2.1:3478 --listen 10.1.0.2:3478 --lan 10.1.0.0/24 --lan 10.2.0.0/24)
    doors_gateway "$1" "${listen[@]}" "${@:3}"
}

# sessions_make NAME STUN A_GATEWAY B_GATEWAY [MEMBER]: a session whose ends may ask these gateways ("-": none), and with
# that member more in what is asked for ("ttl": 10). What the API says of it is in $LAB_DIR/NAME.session.
sessions_make() {
    local ends=() gateway
    for gateway in "$3" "$4"; do
        if [ "$gateway" = - ]; then ends+=("{}"); else ends+=("{\"gateway\": \"$gateway\"}"); fi
    done
    doors_api app "$maker" POST sessions -d "{\"stun\": \"$2\", \"ends\": [${ends[0]}, ${ends[1]}]${5:+, $5}}" \
        -o "$LAB_DIR/$1.session" || fail "no session $1"
}

# sessions_delete NAME: it ends.
sessions_delete() {
    doors_api app "$maker" DELETE "sessions/$(doors_json "$LAB_DIR/$1.session" id)" || fail "session $1 does not end"
}

# sessions_ask ORDER...: of the browsers (session_calls.mjs); the answer is in $answer.
sessions_ask() {
    echo "$*" >&"$browsers_in"
    _sessions_answer "$*"
}

_sessions_answer() {
    IFS= read -r -t 120 -u "$browsers_out" answer || fail "$1: the browsers have ended, or say nothing"
    [[ $answer == ok* ]] || {
        lab_show server
        fail "$1: $answer"
    }
    answer=${answer#ok }
}

# sessions_early a|b: how many checks its gateway has answered early, and how many of the far ends' own answers to these
# it has swallowed.
sessions_early() {
    lab_host "$1" curl -s --max-time 5 http://127.0.0.1:9642/metrics | awk '
        $1 == "sallyport_session_early_answers_total" { answers = $2 }
        $1 == "sallyport_session_early_swallowed_total" { swallowed = $2 }
        END { print answers, swallowed }'
}

# sessions_udp: how many UDP packets crossed a's firewall, b's, and the server's wire.
sessions_udp() {
    echo "$(lab_udp_crossed a) $(lab_udp_crossed b) $(
        "$root/scripts/firewall.sh" status --netns "$(lab_ns edge)" --json | sed -n 's/.*"udp_crossed":{"packets":\([0-9]*\),.*/\1/p'
    )"
}
