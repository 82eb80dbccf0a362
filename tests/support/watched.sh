# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A call between the browsers of a and b of a lab (doors.sh, which comes with it) that is watched while something
# happens to it: for how long either of the two got no voice and no picture, and how soon both had both
# again once the cause was over. Source it, then:
#
#     watched_call …            begins it
#     mark NAME                 the cause begins
#     over NAME                 it is gone: waits until media is back
#     watched_tell TEXT lives   says what came of it, and fails if the browsers noticed
#     watched_end

# shellcheck source=tests/support/doors.sh
. "$(dirname "${BASH_SOURCE[0]}")/doors.sh"

# The figure that is promised for whatever leaves the server's memory and the browser's socket alone. To it comes the
# longest gap of a call to which nothing happens: none on a machine that has time for two browsers.
back_max_ms=1000
noise_ms=0
restarts=0

# watched_call [call.mjs OPTION...]: which has begun when the first report comes.
watched_call() {
    local kind
    mkfifo "$LAB_DIR/orders"
    exec 3<>"$LAB_DIR/orders"
    node "$root/tests/support/call.mjs" --orders --url "$DOORS_PAGE" --json "$LAB_DIR/call.json" --a-netns "$(lab_ns a)" \
        --b-netns "$(lab_ns b)" --a-policy relay --b-policy relay "$@" <"$LAB_DIR/orders" &
    echo $! >"$LAB_DIR/call.pid"
    watch_call
    mark calm
    sleep 5 # lanes that worked for a while, pictures of their full size
    mark calm-over
    media_flows calm || true
    for kind in voice picture; do
        [ "$(figure ${kind}_ms)" -le "$noise_ms" ] || noise_ms=$(figure ${kind}_ms)
    done
    ok "nothing happens: no voice for $(figure voice_ms) ms, no picture for $(figure picture_ms) ms"
}

watched_end() {
    echo end >&3
    lab_wait call || fail "the call did not end well"
    exec 3>&-
    rm "$LAB_DIR/orders"
}

mark() {
    echo "mark $1" >&3
}

watch_call() {
    rm -f "$LAB_DIR/watch.json"
    echo "report $LAB_DIR/watch.json" >&3
    until [ -s "$LAB_DIR/watch.json" ]; do
        lab_running call || fail "the call has ended"
        sleep 0.05
    done
}

# media_flows NAME: whether it does just now; what came of the failure so far is left in $figures.
media_flows() {
    watch_call
    figures=$(python3 "$root/tests/support/media_gap.py" "$LAB_DIR/watch.json" "$1" "$1-over")
}

figure() {
    tr ' ' '\n' <<<"$figures" | sed -n "s/^$1=//p"
}

# over NAME: the cause is gone. Until media has come back, and stays.
over() {
    mark "$1-over"
    wait_until 60 media_flows "$1" || fail "$1: the call does not come back ($figures)"
    sleep 1.5
    wait_until 60 media_flows "$1" || fail "$1: the call comes back and goes again ($figures)"
}

# watched_tell TEXT [lives]: what came of it. What lives comes back in time, without the browser noticing.
watched_tell() {
    local again=$(($(figure restarts) - restarts))
    restarts=$(figure restarts)
    ok "$1: no voice for $(figure voice_ms) ms, no picture for $(figure picture_ms) ms," \
        "back $(figure back_ms) ms after its end, ICE restarted $again times"
    [ "${2-}" = lives ] || return 0
    [ "$again" = 0 ] || fail "$1: the browser noticed"
    [ "$(figure back_ms)" -lt $((back_max_ms + noise_ms)) ] || fail "$1: not back within $back_max_ms ms"
}
