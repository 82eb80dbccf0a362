#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Being seen: what both programs tell by /metrics, /status and /healthz while a call is on, and the log lines that
# tell afterwards how it was. Well-formed, complete, in agreement with each other, and without secrets.
# sanitizers: yes
set -euo pipefail
# shellcheck source=tests/support/one-host.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/one-host.sh"

edge4=198.51.100.2

# page server|gateway PATH: kept as PROGRAM-NAME in $LAB_DIR.
page() {
    local port=9641
    [ "$1" = server ] || port=9642
    curl -sS --max-time 5 "http://127.0.0.1:$port/$2" >"$LAB_DIR/$1-$2" || fail "no /$2 of the $1"
}

# of PROGRAM EXPRESSION: about its /status, `s`, in Python.
of() {
    python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$LAB_DIR/$1-status" "$2"
}

# of_event EXPRESSION: about the event `e` that `event` found.
of_event() {
    python3 -c 'import json, sys
e = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$LAB_DIR/event" "$1"
}

event() {
    local program=$1
    shift
    "$support/check_seen.py" find "$LAB_DIR/$program.err" "$@" >"$LAB_DIR/event" || fail "see above"
}

pages() {
    local program name
    for program in server gateway; do
        for name in metrics status; do
            page $program $name
        done
        "$support/check_seen.py" metrics "$LAB_DIR/$program-metrics" || fail "/metrics of the $program"
        [ "$(of $program 's["version"] != "" and s["uptime_seconds"] >= 0 and s["started_unix"] > 1e9')" = True ] ||
            fail "/status of the $program: $(head -n 8 "$LAB_DIR/$program-status")"
        ! grep -nE '[0-9a-f]{36}|v1\.[A-Za-z0-9_-]{20}|a secret that' "$LAB_DIR/$program-status" "$LAB_DIR/$program-metrics" ||
            fail "a secret on a page of the $program"
    done
    [ "$(of server '[l["address"] for l in s["listen"]]')" = \
        "['198.51.100.2:443', '[2001:db8:100::2]:443', '198.51.100.2:3478', '[2001:db8:100::2]:3478']" ] ||
        fail "the server listens elsewhere: $(of server 's["listen"]')"
    [ "$(of server '[(t["subject"], len(t["lanes"]), t["leaving"]) for t in s["tunnels"]]')" = "[('alice', 4, False)]" ] ||
        fail "other tunnels: $(of server 's["tunnels"]')"
    [ "$(of server 'all(l["rtt_us"] > 0 for l in s["tunnels"][0]["lanes"])')" = True ] || fail "no round trips"
    [ "$(of server 's["now"]["allocations"], s["now"]["tunnels"]')" = "(3, 1)" ] || fail "$(of server 's["now"]')"
    [ "$(of gateway 's["tunnel"], s["server"], len(s["lanes"]), s["now"]["clients"] >= 2')" = \
        "('up', 'edge.test', 4, True)" ] || fail "$(of gateway s)"
    ok "/metrics and /status of both"
}

# What came out at one side was counted at the other, whose page is a moment younger.
agreement() {
    local sent received
    sent=$(of gateway 's["counters"]["tunnel"]["datagrams_out"]')
    received=$(of server 's["tunnels"][0]["counters"]["datagrams_in"]')
    [ "$received" -gt 100 ] || fail "the server has counted $received datagrams"
    [ "$sent" -ge "$received" ] || fail "the gateway has counted $sent, and the server $received before"
    [ "$(metric server 'tunnel_dropped_datagrams_total{reason="full"}')" = 0 ] || fail "something was dropped"
    ok "$received datagrams received by the server, $sent sent by the gateway a moment later"
}

# A user whose name is made to forge lines; alone, by UDP.
hostile() {
    strange=$("$support/turn_name.py" $edge4 3478 "$(cat "$LAB_DIR/secret")" "$1") || fail "no allocation for a strange name"
}

# The log of a whole life.
logs() {
    local program part readme
    for program in server gateway; do
        part=server
        [ $program = server ] || part=client
        readme=$root/$part/README.md
        "$support/check_seen.py" log "$LAB_DIR/$program.err" "$readme" "$LAB_DIR/$program-status" || fail "the log of the $program"
    done
    event gateway "tunnel ended" reason=stopped server=edge.test
    [ "$(of_event 'e["lanes_joined"] >= 4 and e["datagrams_out"] > 100 and e["seconds"] >= 0')" = True ] ||
        fail "$(cat "$LAB_DIR/event")"
    event server "tunnel ended" subject=alice
    [[ $(of_event 'e["reason"]') =~ ^(left|shutdown)$ ]] || fail "$(cat "$LAB_DIR/event")"
    [ "$(of_event 'e["datagrams_in"] > 100 and e["bytes_in"] > e["datagrams_in"] and e["lanes_joined"] == 4')" = True ] ||
        fail "$(cat "$LAB_DIR/event")"
    event server "allocation ended" user=test subject=alice transport=tunnel reason=released
    [ "$(of_event 'e["from_client_datagrams"] >= 50 and e["hairpin_datagrams"] > 0 and "client" not in e')" = True ] ||
        fail "$(cat "$LAB_DIR/event")"
    event server "allocation ended" "user=$strange" transport=udp
    [ "$(of_event 'e["client"].startswith("198.51.100.2:") and e["dropped_no_permission"] == 1')" = True ] ||
        fail "$(cat "$LAB_DIR/event")"
    [ "$(grep -c 'forged' "$LAB_DIR/server.err")" = 2 ] || fail "not one line for each event: $(grep forged "$LAB_DIR/server.err")"
    ok "one line tells how each tunnel and allocation was"
}

# When the certificate in the file ends.
certificate_end() {
    date -d "$(openssl x509 -in "$LAB_DIR/cert.pem" -noout -enddate | cut -d= -f2)" +%s
}

# What an alert goes by follows what is reread.
renewal() {
    local metric=certificate_end_timestamp_seconds before
    before=$(certificate_end)
    [ "$(metric server $metric)" = "$before" ] || fail "the certificate ends at $(metric server $metric), not $before"
    lab_cert
    [ "$(certificate_end)" -gt "$before" ] || fail "the new certificate is not another"
    kill -HUP "$(lab_pid server)"
    wait_until 10 is "metric server $metric" -eq "$(certificate_end)" || fail "it still ends at $(metric server $metric)"
    ok "when the certificate ends, before and after its renewal"
}

need_packages python3
need_commands curl=curl openssl=openssl ip=iproute2
host_up
server_start --log-format json --log-level debug --relay-ports none --relay-ip $edge4
gateway_start --lanes 4 --log-format json --log-level debug
host_spawn call "$support/turn_pair.py" udp:192.0.2.1:3478 tcp:192.0.2.1:3478
lab_wait_ready call
hostile $'x\n{"msg":"forged"}\e[2J\u202e"\\\u00e9'
wait_until 15 is 'metric gateway tunnel_sent_datagrams_total' -gt 150 || fail "no call"
pages
agreement
kill -TERM "$(lab_pid call)"
lab_wait call || fail "the call: $(cat "$LAB_DIR/call.err")"
wait_until 5 is 'metric server allocations' -le 1 || fail "allocations stay"
host_stop gateway
wait_until 5 is 'metric server lanes' -eq 0 || fail "lanes stay"
renewal
host_stop server
logs
