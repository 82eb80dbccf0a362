#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/bench.sh relay runs: each of its parts has all rows, in each of them as much was sent as should be, some
# came, nothing twice and nothing altered; and the load generator says what is wrong with its arguments, and which
# end a server refuses. What the figures say is not this test's business.
# machine: shared
# timeout: 240

# shellcheck source=tests/support/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lab.sh"
set -euo pipefail

[ "$(id -u)" = 0 ] || skip "needs root"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
results=$root/build/bench/quick/relay.json
relay() {
    "$root/scripts/bench.sh" --quick relay "$@" >"$out"
}

relay --bytes 160 --path UDP-UDP,TLS-UDP,tunnel-tunnel,gateway-gateway || fail "bench.sh relay ended with status $?"
/usr/bin/python3 - "$results" <<'END' || fail "rows are not whole: $(cat "$results")"
import json, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
want = {"light": 40, "most": 80, "more": 80, "coturn loses": 80, "growth": 40, "call": 208}  # datagrams
for r in rows:
    if r["part"] == "memory":
        assert r["before_kb"] > 1000 and r["after_kb"] > 1000, r
        continue
    assert r["sent"] == want[r["load"]], r
    assert 0 < r["delivered"] <= r["sent"] and r["lost"] == r["sent"] - r["delivered"], r
    assert r["copies"] == r["wrong"] == 0, r
    assert r["server_cpu_ns"] > 0 and r["own_cpu_ns"] > 0 and r["server_rss_kb"] > 1000, r
    assert 0 < r["p50_us"] <= r["p99_us"] <= r["p999_us"], r
    assert (r["gateway_cpu_ns"] > 0) == (r["path"] == "gateway-gateway"), r
there = {(r["part"], r["path"], r["server"], r["pairs"]) for r in rows}
both, ours = ("coturn", "sallyport"), ("sallyport",)
for path, servers in (("UDP-UDP", both), ("TLS-UDP", both), ("tunnel-tunnel", ours), ("gateway-gateway", ours)):
    for server in servers:
        assert ("calls", path, server, 2) in there, (path, server)
        loads = {r["load"] for r in rows if (r["part"], r["path"], r["server"]) == ("rows", path, server)}
        assert "light" in loads and loads & {"most", "more"}, (path, server, loads)
for path, servers in (("UDP-UDP", both), ("tunnel-tunnel", ours)):
    for server in servers:
        grown = sum((r["part"], r["path"], r["server"]) == ("growth", path, server) for r in rows)
        assert grown == 6, (path, server, grown)  # three of each number of flows
        for part, pairs in (("growth", 1), ("growth", 4), ("memory", 4)):
            assert (part, path, server, pairs) in there, (part, path, server, pairs)
END
for row in "UDP-UDP \| coturn \| light" "tunnel-tunnel \| sallyport \| light" "tunnel of 4 lanes"; do
    grep -Eq "^\| $row.* [0-9.]+ \|" "$out" || fail "no row for $row: $(cat "$out")"
done

relay --instructions --bytes 160 --path UDP-UDP || fail "bench.sh relay --instructions ended with status $?"
for server in coturn sallyport; do
    grep -Eq "^\| UDP-UDP \| $server \| 160 \| [1-9][0-9]* \| [1-9][0-9]* \|" "$out" ||
        fail "no instructions of $server: $(cat "$out")"
done

for wrong in "--path car" "--part wheel" "--bytes many" "--speed"; do
    status=0
    # shellcheck disable=SC2086
    relay $wrong 2>/dev/null || status=$?
    [ "$status" = 2 ] || fail "relay $wrong ends with status $status"
done

load=${BUILD_DIR:-$root/build}/tests/load
# refused STATUS WORDS ARGUMENT...
refused() {
    local want=$1 words=$2 status=0
    shift 2
    timeout 20 "$load" "$@" >/dev/null 2>"$out" || status=$?
    [ "$status" = "$want" ] || fail "load $* ends with status $status"
    grep -q -e "$words" "$out" || fail "load $* says: $(cat "$out")"
}
refused 2 "from=car" from=car
refused 2 "rates=fast" from=peer to=peer rates=fast
refused 2 "token=" from=tunnel:127.0.0.1:1 to=peer rates=x:1
refused 1 "is no address of this host" from=peer to=peer rates=x:10 sources=203.0.113.1
refused 1 "end 0, by tcp to 127.0.0.1:1, connects: Connection refused" from=tcp:127.0.0.1:1 to=peer rates=x:10
"$load" from=peer to=peer pairs=2 rates=x:100 seconds=0.2 >"$out" || fail "load without a server: status $?"
grep -q '"sent": 20, "delivered": 20' "$out" || fail "load without a server: $(cat "$out")"
echo "ok: all rows are whole"
