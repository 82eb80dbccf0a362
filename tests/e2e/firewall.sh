#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/firewall.sh: what each profile lets by and refuses, by IPv4 and IPv6; that its counters tell the
# truth, also when something else makes a hole in it; and that it leaves without a trace.
# machine: shared
set -euo pipefail
# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"

firewall=$root/scripts/firewall.sh
probe=$root/tests/support/probe.py
open4=198.51.100.3 open6=2001:db8:100::3
dns4=198.51.100.1 dns6=2001:db8:100::1
inner6=2001:db8:1::2

# ask HOST WANTED TARGET...: each target must come out as wanted.
ask() {
    local host=$1 wanted=$2 target got
    shift 2
    while read -r target got; do
        [ "$got" = "$wanted" ] || fail "$profile: $host to $target: $got, not $wanted"
    done < <(lab_host "$host" python3 "$probe" ask "$@")
}

# count CALLER NAME WANTED: an exact sum.
count() {
    local got
    got=$(lab_count "$1" "$2")
    [ "$got" = "$3" ] || fail "$profile: $2 is $got, not $3"
}

# The rules of a namespace without their counters, of built-in chains as well. No tables: iptables makes
# empty ones when it looks.
rules() {
    { ip netns exec "$1" iptables-save && ip netns exec "$1" ip6tables-save; } | grep '^-A' || true
}

ask_dns() {
    ask a "$1" "udp/$dns4/53" "udp/$dns6/53" "tcp/$dns4/53" "tcp/$dns6/53"
}

ask_udp() {
    ask a "$1" "udp/$open4/3478" "udp/$open6/3478" "udp/$open4/443" "udp/$open6/443" "udp/$open4/53" "udp/$open6/53"
}

check_open() {
    profile=open
    lab_profile a open
    ask a answered tcp/$open4/443 tcp/$open6/443 tcp/$open4/80 tcp/$open6/80
    ask_udp answered
    count a udp_crossed 24 # 6 targets, 2 datagrams, there and back
    count a udp_refused 0
    ask open answered "udp/$inner6/3478"
    count a udp_crossed 28
    ok "open lets everything by, and counts it"
}

check_block_udp() {
    profile=block-udp
    lab_profile a block-udp --resolver $dns4 --resolver $dns6
    ask a answered tcp/$open4/443 tcp/$open6/443 tcp/$open4/80 tcp/$open6/80
    ask_udp silent
    ask_dns answered
    count a udp_crossed 0
    count a udp_refused 12
    count a udp_resolver 8
    ask open silent "udp/$inner6/3478"
    count a udp_refused 14
    lab_profile a block-udp
    ask a silent udp/$dns4/53 udp/$dns6/53
    ask a answered tcp/$dns4/53 tcp/$dns6/53
    count a udp_crossed 0
    ok "block-udp refuses UDP but to the resolver that it was told"
}

check_https_only() {
    profile=https-only
    lab_profile a https-only --resolver $dns4 --resolver $dns6
    ask a answered tcp/$open4/443 tcp/$open6/443
    ask a silent tcp/$open4/80 tcp/$open6/80 tcp/$open4/53 tcp/$open6/53
    ask_udp silent
    ask_dns answered
    count a udp_crossed 0
    count a udp_refused 12
    count a udp_resolver 8
    [ "$(lab_count a tcp443_out)" -gt 0 ] || fail "https-only: no TCP to port 443 was counted"
    [ "$(lab_count a tcp443_in bytes)" -gt 0 ] || fail "https-only: no TCP from port 443 was counted"
    [ "$(lab_count a other_refused)" -ge 4 ] || fail "https-only: refused TCP was not counted"
    lab_profile a https-only
    ask a silent udp/$dns4/53 udp/$dns6/53 tcp/$dns4/53 tcp/$dns6/53
    ok "https-only lets TCP to 443 by, and DNS to the resolver that it was told"
}

check_reject() {
    profile="https-only --reject"
    lab_profile a https-only --reject
    ask a answered tcp/$open4/443 tcp/$open6/443
    ask a refused tcp/$open4/80 tcp/$open6/80 udp/$open4/3478 udp/$open6/3478
    count a udp_crossed 0
    ok "--reject says no instead of nothing"
}

# The flow is established while all is open. Where established traffic passes as such, it would live on.
check_established() {
    local targets=("udp/$open4/3478/5555" "udp/$open6/3478/5556")
    profile="block-udp, afterwards"
    lab_profile a open
    ask a answered "${targets[@]}"
    lab_profile a block-udp
    ask a silent "${targets[@]}"
    ask a answered tcp/$open4/80 tcp/$open6/80
    count a udp_crossed 0
    ok "a UDP flow from before the wall does not live on"
}

# Rules of somebody else that come before ours: what passes by them has to show.
check_counts_are_proof() {
    local program fw
    fw=$(lab_ns fwa)
    profile="https-only with a hole"
    lab_profile a https-only
    for program in iptables ip6tables; do
        ip netns exec "$fw" $program -w -I FORWARD 1 -p udp -j ACCEPT
    done
    ask a answered udp/$open4/3478 udp/$open6/3478
    count a udp_crossed 8
    count a udp_refused 0
    for program in iptables ip6tables; do
        ip netns exec "$fw" $program -w -D FORWARD -p udp -j ACCEPT
    done
    ok "UDP that slips past is counted as crossed"
}

check_clear_and_repeat() {
    local fw before once
    fw=$(lab_ns fwa)
    profile=clear
    "$firewall" clear --netns "$fw"
    ip netns exec "$fw" iptables -w -A FORWARD -p tcp --dport 7 -j DROP
    before=$(rules "$fw")
    "$firewall" https-only --netns "$fw" --resolver $dns4
    once=$(rules "$fw")
    [ "$once" != "$before" ] || fail "https-only changed no rule"
    ask a silent udp/$open4/3478
    "$firewall" https-only --netns "$fw" --resolver $dns4
    [ "$(rules "$fw")" = "$once" ] || fail "https-only twice is not the same as once"
    count a udp_refused 0
    "$firewall" open --netns "$fw"
    "$firewall" clear --netns "$fw"
    [ "$(rules "$fw")" = "$before" ] || fail "clear left something, or took too much: $(rules "$fw")"
    "$firewall" clear --netns "$fw"
    "$firewall" status --netns "$fw" --json | grep -q '^{"profile":"none"' || fail "status after clear"
    ask a answered udp/$open4/3478 udp/$open6/3478
    ok "again is the same as once, and clear takes away all of it and nothing else"
}

# A host's own firewall, on a host of the lab: --host there means the namespace that the script runs in.
check_host() {
    profile="https-only --host"
    lab_profile a open
    lab_spawn a inside python3 "$probe" serve tcp/80 udp/3478
    lab_wait_ready inside
    lab_host a "$firewall" https-only --host 2>"$LAB_DIR/warning"
    grep -q 'ssh' "$LAB_DIR/warning" || fail "--host does not warn"
    ask a answered udp/127.0.0.1/3478 udp/192.0.2.1/3478 udp/::1/3478 tcp/127.0.0.1/80
    ask a answered tcp/$open4/443 tcp/$open6/443
    ask a silent udp/$open4/3478 udp/$open6/3478 tcp/$open4/80 tcp/$open6/80
    ask open answered "tcp/$inner6/80"
    ask open silent "udp/$inner6/3478"
    lab_host a "$firewall" status --host >"$LAB_DIR/status"
    grep -Eq 'UDP refused +6 packets' "$LAB_DIR/status" || fail "status --host: $(cat "$LAB_DIR/status")"
    grep -Eq 'UDP crossed +0 packets' "$LAB_DIR/status" || fail "status --host: $(cat "$LAB_DIR/status")"
    lab_host a ip6tables -w -I INPUT 1 -p udp -j ACCEPT
    lab_host a ip6tables -w -I OUTPUT 1 -p udp -j ACCEPT
    ask open answered "udp/$inner6/3478"
    lab_host a "$firewall" status --host | grep -Eq 'UDP crossed +4 packets' || fail "--host: a hole does not show"
    lab_host a "$firewall" clear --host
    ask a answered udp/$open4/3478 tcp/$open4/80
    lab_stop inside
    ok "--host guards a host of its own, leaves loopback and connections into it alone"
}

# wrong STATUS WORD ARGUMENT...: the exit status, and one line that names what is wrong.
wrong() {
    local wanted=$1 word=$2 status=0 text
    shift 2
    text=$("$firewall" "$@" 2>&1 >/dev/null) || status=$?
    [ "$status" = "$wanted" ] || fail "firewall.sh $*: exit status $status, not $wanted"
    [[ $text == *"$word"* && $text != *$'\n'* ]] || fail "firewall.sh $*: says: $text"
}

check_bad_input() {
    local fw
    fw=$(lab_ns fwa)
    wrong 2 "say what"
    wrong 2 "wide-open" wide-open --netns "$fw"
    wrong 2 "say where" open
    wrong 2 "no-such-place" open --netns no-such-place
    wrong 2 "../$fw" open --netns "../$fw"
    wrong 2 "--netns" open --netns
    wrong 2 "exclude" open --netns "$fw" --host
    wrong 2 "1.2.3.256" open --netns "$fw" --resolver 1.2.3.256
    wrong 2 "dns.example" open --netns "$fw" --resolver dns.example
    wrong 2 "2001:::1" open --netns "$fw" --resolver 2001:::1
    wrong 2 "--json" clear --netns "$fw" --json
    wrong 2 "--reject" status --netns "$fw" --reject
    wrong 2 "--bogus" status --netns "$fw" --bogus
    "$firewall" --help | grep -q '^Usage' || fail "--help"
    ok "bad input is told in one line, with exit status 2"
}

need_commands python3=python3
lab_up
lab_ipv6 || skip "needs IPv6"
lab_spawn open echo python3 "$probe" serve tcp/443 tcp/80 tcp/53 udp/3478 udp/443 udp/53
lab_spawn internet dns python3 "$probe" serve tcp/53 udp/53
lab_spawn a inside python3 "$probe" serve udp/3478
lab_wait_ready echo
lab_wait_ready dns
lab_wait_ready inside
check_open
check_block_udp
check_https_only
check_reject
check_established
check_counts_are_proof
check_clear_and_repeat
lab_stop inside
check_host
check_bad_input
