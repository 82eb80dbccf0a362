#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Calls by sallyport.js that change while media flow, in Chromium and Firefox: ICE restarts, by tunnels in both STUN modes
# and by ICE-TCP; then both gateways are killed, of which one comes back, with credentials of another user and at another
# port. Each call goes on by the pair of the last restart, by the gateway that is there, and by ICE-TCP where there is
# none any more.
# timeout: 240
# machine: shared

# shellcheck source=tests/support/sessions.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/sessions.sh"
set -euo pipefail

# STUN mode, candidates, A's browser, B's, who calls, and B's gateway. A's is lan-a.
calls=(
    "pass trickle chromium firefox a lan-b"
    "early trickle firefox firefox a lan-b"
    "early whole chromium chromium b lan-b"
    "pass whole firefox chromium b -"
)

# each ORDER [A_WAY GATEWAY_WAY]: of all calls; B's way is GATEWAY_WAY where it has a gateway, else ICE-TCP.
each() {
    local i stun form a b caller gateway far
    for i in "${!calls[@]}"; do
        read -r stun form a b caller gateway <<<"${calls[i]}"
        far="ice-tcp"
        [ "$gateway" = - ] || far=${3-}
        case $1 in
            begin)
                sessions_make "$i" "$stun" lan-a "$gateway"
                sessions_ask begin "$i" "$a" "$b" "$caller" "$form" "$LAB_DIR/$i.session" lan-a "$gateway"
                ;;
            reach)
                sessions_ask reach "$i" "$2" "$far"
                echo "${calls[i]}: ${answer% * *} restarts, now ${answer#* }"
                [[ $gateway = - || $answer = *tunnel ]] || late=1
                ;;
            *) sessions_ask "$1" "$i" ;;
        esac
    done
}

# Without a word to anybody.
kill_gateway() {
    disown "$(lab_pid "gateway-$1")"
    kill -KILL "$(lab_pid "gateway-$1")"
}

sessions_up chromium firefox
lab_profile a https-only
lab_profile b https-only
each begin
each reach tunnel tunnel
ok "calls by tunnels in both modes, and by ICE-TCP"
each restart
each reach tunnel tunnel
ok "ICE restarted in each, and they go by the new pair"

kill_gateway a
kill_gateway b
sessions_gateway b another --listen 192.0.2.1:3479
late=""
each reach ice-tcp tunnel,ice-tcp
if [ "$late" ]; then # the browsers noticed before it was back
    each restart
    each reach ice-tcp tunnel
fi
ok "both gateways were killed: by ICE-TCP without one, by the tunnel of the one that came back"
sessions_down
