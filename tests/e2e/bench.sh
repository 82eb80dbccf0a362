#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/bench.sh runs, and each of its tables has all rows, with datagrams delivered. What the figures say
# is not this test's business: a test has not the machine to itself.
# machine: shared
# timeout: 600

# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"
set -euo pipefail

[ "$(id -u)" = 0 ] || skip "needs root"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$root/scripts/bench.sh" --quick >"$out" || fail "bench.sh ended with status $?"
for row in direct "three processes that only send on" "gateway, server, gateway" "sallyport, TURN by UDP" "coturn, TURN by UDP" \
    "sallyport, TURN by TLS" "coturn, TURN by TLS" \
    "sallyport, gateways" "sallyport, turns:" "coturn, turns:"; do
    grep -Eq "^\| $row \|.* [0-9.]+" "$out" || fail "no row for $row: $(cat "$out")"
done

# The quality bench: rows are measured once and then shown, those that were not run are shown as that.
quality() {
    "$root/scripts/bench.sh" --quick quality --network 10ms-1%-20mbit --seconds 2 --tries 1 "$@" >"$out"
}
quality --path udp,coturn,ours,ice-tcp --seeds 1 --again || fail "bench.sh quality ended with status $?"
for path in udp coturn ours ice-tcp; do
    grep -Eq "^\| $path( \(server: [a-z]+\))? \| voice \| [0-9.]+ .* 200 \|.* 1 \|" "$out" ||
        fail "no row for $path: $(cat "$out")"
done
# What the server's half goes by belongs to the rows that it counts for.
quality --path turns,ours --seeds 1 --server-cc reno || fail "bench.sh quality --server-cc ended with status $?"
for path in "turns \(server: reno\)" ours; do
    grep -Eq "^\| $path \| voice \| [0-9.]+ .* 200 \|.* 1 \|" "$out" || fail "no row for $path: $(cat "$out")"
done
status=0
SALLYPORT_TURN_CONGESTION=reno quality --path ice-tcp,turns --seeds 1 --show || status=$?
[ "$status" = 1 ] || fail "with a row by another congestion control of the server the status is $status"
grep -Eq "^\| turns \(server: reno\) \| voice " "$out" || fail "the environment was not heard: $(cat "$out")"
grep -Eq "^\| ice-tcp \| not run " "$out" || fail "a row by another congestion control is shown: $(cat "$out")"
status=0
quality --path ours --seeds 2 --show || status=$?
[ "$status" = 1 ] || fail "with a row that was not run the status is $status"
grep -Eq "^\| ours \| voice \|.* 1 \(not run: 2\) \|" "$out" || fail "what was not run is not shown: $(cat "$out")"
for wrong in "--network 10ms" "--network 10ms-1%-3fast" "--path car" "--seconds 1" "--cc hope" "--server-cc hope" "--speed"; do
    status=0
    # shellcheck disable=SC2086
    "$root/scripts/bench.sh" --quick quality $wrong >/dev/null 2>&1 || status=$?
    [ "$status" = 2 ] || fail "quality $wrong ends with status $status"
done

# A twentieth is lost, the rest comes evenly within 100 ms: so it is drawn, the last hundredth of it, too.
python3 - "$root/tests/bench" <<'END' || fail "plot.py draws another distribution"
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import plot

flow = {"class": "voice", "sent": 2000, "lost": 100, "quantiles_ms": [60 + 100 * level for level in plot.LEVELS]}
drawn = dict(plot.distribution([{"media": {"floor_ms": 60, "flows": [flow]}}], "voice"))
assert len(drawn) == 110
for ms, percent in drawn.items():
    assert abs(percent - 0.95 * ms) < 0.001, (ms, percent)
END

status=0
"$root/scripts/bench.sh" nonsense 2>/dev/null || status=$?
[ "$status" = 2 ] || fail "an unknown bench ends with status $status"
echo "ok: all tables are whole"
