#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The table of who meets whom by which way: calls by sallyport.js from behind whatever wall, in Chromium and Firefox, the
# page from the server itself. A row is four calls at once, which have each of these: both STUN modes, candidates that
# follow their description and whole ones, each pair of browsers, either of the two calling. With SESSIONS=all in the
# environment it is all 32 combinations, eight at once, which takes minutes.
# machine: shared

# shellcheck source=tests/support/sessions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/sessions.sh"
set -euo pipefail

# STUN mode, candidates, A's browser, B's, and who calls: the calls of every other row.
some=(
    "pass trickle chromium chromium a|early whole chromium firefox b|early trickle firefox chromium a|pass whole firefox firefox b"
    "early whole chromium chromium b|pass trickle chromium firefox b|pass whole firefox chromium a|early trickle firefox firefox a"
)
rows=0 # whose turn it is

every() {
    local stun form a b caller
    for stun in pass early; do for form in trickle whole; do
        for a in chromium firefox; do for b in chromium firefox; do
            for caller in a b; do
                echo "$stun $form $a $b $caller"
            done
        done; done
    done; done
}

# calls A_GATEWAY B_GATEWAY A_WAY B_WAY: at once those that standard input has, a line each.
calls() {
    local stun form a b caller name names=() restarts
    while read -r stun form a b caller; do
        name=$stun-$form-$a-$b-$caller
        sessions_make "$name" "$stun" "$1" "$2"
        sessions_ask begin "$name" "$a" "$b" "$caller" "$form" "$LAB_DIR/$name.session" "$1" "$2"
        names+=("$name")
    done
    for name in "${names[@]}"; do
        sessions_ask reach "$name" "$3" "$4"
        read -r restarts _ <<<"$answer"
        [ "$restarts" = 0 ] || echo "$name: only when ICE was restarted ($restarts times)"
        sessions_ask end "$name"
    done
}

# row A B A_WAY B_WAY [noudp]: A and B are a firewall's profile each, with a gateway or without ("-"): "PROFILE GATEWAY".
row() {
    local a_profile a_gateway b_profile b_gateway udp file host
    read -r a_profile a_gateway <<<"$1"
    read -r b_profile b_gateway <<<"$2"
    lab_profile a "$a_profile"
    lab_profile b "$b_profile"
    udp=$(sessions_udp)
    if [ "${SESSIONS-}" = all ]; then
        every | split -l 8 - "$LAB_DIR/calls."
    else
        tr '|' '\n' <<<"${some[rows]}" >"$LAB_DIR/calls.aa"
    fi
    rows=$((1 - rows))
    for file in "$LAB_DIR"/calls.*; do
        calls "$a_gateway" "$b_gateway" "$3" "$4" <"$file"
    done
    if [ "${5-}" ]; then
        [ "$(sessions_udp)" = "0 0 ${udp##* }" ] || fail "$1, $2: UDP crossed: $(sessions_udp), and $udp before"
        for host in a b; do
            [ "$(lab_udp_refused $host)" -gt 0 ] || fail "$1, $2: $host's firewall refused no UDP: was it in the way at all?"
        done
    fi
    ok "$1, $2: $3, $4${5:+, and no UDP anywhere}"
}

sessions_up chromium firefox
#   A                   B                    must connect by
sessions_office joined
row "open -"            "open -"             direct  direct
sessions_office apart
row "https-only lan-a"  "https-only lan-b"   tunnel  tunnel   noudp
for host in a b; do
    read -r answers swallowed < <(sessions_early $host)
    [[ $answers -gt 0 && $swallowed -gt 0 ]] || fail "$host's gateway: $answers early answers, $swallowed swallowed"
done
ok "checks were answered early, and the far ends' own answers to these went no further"
row "block-udp -"       "block-udp -"        ice-tcp ice-tcp  noudp
row "https-only lan-a"  "open -"             tunnel  udp
row "https-only lan-a"  "block-udp -"        tunnel  ice-tcp  noudp
sessions_office joined
early=$(sessions_early a)
row "https-only lan-a"  "https-only lan-a"   direct  direct   noudp
[ "$(sessions_early a)" = "$early" ] || fail "on one LAN checks were answered early: $(sessions_early a), and $early before"
ok "on one LAN nothing was answered early, which would have called them elsewhere"
sessions_down
