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
for row in direct "gateway, server, gateway" "sallyport, TURN by UDP" "coturn, TURN by UDP" \
    "sallyport, TURN by TLS" "coturn, TURN by TLS" UDP TCP TLS gateway \
    "sallyport, gateways" "sallyport, turns:" "coturn, turns:"; do
    grep -Eq "^\| $row \|.* [0-9.]+" "$out" || fail "no row for $row: $(cat "$out")"
done
status=0
"$root/scripts/bench.sh" nonsense 2>/dev/null || status=$?
[ "$status" = 2 ] || fail "an unknown bench ends with status $status"
echo "ok: all tables are whole"
