#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The link emulator against itself: what comes and what does not agrees with its own counts, nothing is
# faster than it was asked to be, it does what it is told when it is told, and packets are of a real link's
# size. How exact its times are is for the bench to say, not for a test.
# machine: shared

# shellcheck source=tests/support/links.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/links.sh"
set -euo pipefail

export BUILD_DIR=${BUILD_DIR:-$root/build}
need_commands python3=python3 ip=iproute2
# shellcheck disable=SC2034 # links_start's
links_seed=7
links_up
links_start delay=10ms

# count LINK WAY KEY: one of its counts.
count() {
    link_stats "$1" | python3 -c 'import json, sys
r = json.load(sys.stdin)
print(r[sys.argv[1]][sys.argv[2]] if len(sys.argv) > 2 else r[sys.argv[1]])' "${@:2}"
}

# settled LINK WAY KEY VALUE: until the count is that.
settled() {
    local tries=100
    until [ "$(count "$1" "$2" "$3")" -ge "$4" ]; do
        ((tries-- > 0)) || fail "link $1, $2: $3 is $(count "$1" "$2" "$3"), want $4"
        sleep 0.1
    done
}

# send COUNT BYTES PAUSE [ENOUGH]: from a to b by UDP, no more when that file is there. Prints how many came, how
# many of these out of order, and the shortest time that one took, in ms.
send() {
    lab_spawn b sink python3 "$root/tests/support/udp_count.py" sink 10.2.0.2 4000
    lab_wait_ready sink
    lab_host a python3 "$root/tests/support/udp_count.py" send 10.2.0.2 4000 "$@"
    lab_wait sink || fail "the sink ended: $(tail -n 1 "$LAB_DIR/sink.err")"
    tail -n 1 "$LAB_DIR/sink.out"
}

# between MIN NUMBER MAX
between() {
    [ "$1" -le "$2" ] && [ "$2" -le "$3" ]
}

# A way that loses nothing: all come, in order, after what was asked at the soonest.
read -r came disorder least < <(send 500 1000 0.001)
[ "$came $disorder" = "500 0" ] || fail "of 500 datagrams $came came, $disorder out of order"
awk "BEGIN { exit !($least >= 20) }" || fail "one took $least ms, two links have 20"
ok "without loss all come, none before its time (at least $least ms by two links of 10)"

# What does not come was lost by the links, and by nobody else.
link_tell a "both delay=1ms loss=5%"
link_tell b "both delay=1ms loss=5% burst=3"
offered=$(count a ab offered) lost_a=$(count a ab lost) lost_b=$(count b ba lost)
read -r came disorder least < <(send 4000 200 0.0005)
[ "$disorder" = 0 ] || fail "$disorder datagrams came out of order"
settled a ab offered $((offered + 4000 + 3)) # three say the end
lost=$(($(count a ab lost) - lost_a + $(count b ba lost) - lost_b))
between 4000 $((came + lost)) 4003 || fail "of 4003 datagrams $came came, and the links lost $lost"
between 200 "$lost" 600 || fail "two links of 5 % lost $lost of 4003"
ok "4000 sent, $came came, and what is missing the links say they lost"

# A queue: what it refuses is what does not come, and it never holds more than its bound.
link_tell a "both loss=0 rate=1M queue=20000"
link_tell b "both loss=0 burst=0"
full=$(count a ab full)
read -r came disorder least < <(send 200 972 0)
full=$(($(count a ab full) - full))
[ "$full" -gt 0 ] || fail "200 datagrams of 1,000 bytes at once fitted into a queue of 20"
[ "$(count a ab most_waiting_bytes)" -le 20000 ] || fail "$(count a ab most_waiting_bytes) bytes waited"
between 200 $((came + full)) 203 || fail "$came came, $full were refused, of 200"
ok "the queue holds 20,000 bytes and refuses the rest"

# A schedule: an outage of 300 ms while datagrams are sent, then as before; what was forgotten does not happen.
# They are sent until it is over, however busy the machine is.
link_tell a "both rate=0 loss=0"
offered=$(count a ab offered) lost=$(count a ab lost) changed=$(count a changed)
send 60000 100 0.001 "$LAB_DIR/enough" >"$LAB_DIR/outage" &
sending=$!
settled a ab offered $((offered + 100))
link_tell a "at 0.3 both loss=100%" "at 0.6 both loss=0" "at 600 both loss=100%"
has_changed() { [ "$(count a changed)" -ge "$1" ]; }
wait_until 20 has_changed $((changed + 2)) || fail "the schedule made $(count a changed) changes, not $((changed + 2))"
touch "$LAB_DIR/enough"
wait $sending || fail "sending failed"
read -r came disorder least <"$LAB_DIR/outage"
lost=$(($(count a ab lost) - lost)) sent=$(($(count a ab offered) - offered)) # three of them say the end
[ "$(count a changed)" = $((changed + 2)) ] || fail "the schedule made $(count a changed) changes, not $((changed + 2))"
[ "$lost" -gt 0 ] || fail "nothing was lost in an outage"
between $((sent - 3)) $((came + lost)) $sent || fail "$came came, $lost were lost, of $sent"
[ "$came" -gt 100 ] || fail "all was lost in an outage of 300 ms"
link_tell a "at 0.1 both loss=100%" forget
sleep 0.3
read -r came disorder least < <(send 100 100 0)
[ "$came" = 100 ] || fail "what was forgotten happened: $came of 100 came"
ok "a schedule is kept, its rest forgotten when told"

# TCP's segments are cut before they are on the link.
lab_spawn b tcp python3 -c 'import socket
s = socket.create_server(("10.2.0.2", 5000))
print("ready", flush=True)
c = s.accept()[0]
while c.recv(65536): pass'
lab_wait_ready tcp
lab_host a python3 -c 'import socket
s = socket.create_connection(("10.2.0.2", 5000))
s.sendall(bytes(3000000))'
lab_wait tcp || fail "TCP by the links failed"
for name in a b; do
    longest=$(link_stats $name | grep -o '"longest": [0-9]*' | sort -t ' ' -k 2n | tail -n 1)
    [ "$longest" = '"longest": 1500' ] || fail "link $name: $longest"
done
ok "TCP is carried in packets of 1,500 bytes"

# Bad words are named, counted, and change nothing.
link_tell a "both delay=1parsec" "at noon both loss=1%" "at 1 both loss=200%" nonsense
read -r came disorder least < <(send 100 100 0)
[ "$came" = 100 ] || fail "bad words took effect: $came of 100 came"
[ "$(count a not_understood)" = 4 ] || fail "$(count a not_understood) of 4 bad lines were counted"
grep -q "delay=1parsec: want a time as 30ms" "$LAB_DIR/link-a.err" || fail "nobody named the bad word"
for bad in "" "a:b" "--seed x a:b c:d" "--sneed 1 a:b c:d" "a b" ":t1 :t2 delay=x"; do
    status=0
    # shellcheck disable=SC2086
    lab_host a timeout 5 "$BUILD_DIR/tests/link_emulator" $bad >/dev/null 2>&1 || status=$?
    [ $status = 2 ] || fail "link_emulator $bad: status $status"
done
ok "bad input is named and changes nothing"

# It ends when told, with its counts; its devices are gone.
lab_stop link-a
grep -q '"stats": "end"' "$LAB_DIR/link-a.out" || fail "no counts at the end"
! lab_host a ip link show wan >/dev/null 2>&1 || fail "the device is still there"
[ ! -e "$LAB_DIR/link-a.control" ] || fail "the FIFO is still there"
ok "at its end it says its counts and takes its devices away"
