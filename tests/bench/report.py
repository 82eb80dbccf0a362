#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of Markdown out of what the benches measured.

    report.py delay|cpu|connect <RESULTS

RESULTS is a JSON object a line, as tests/bench/*.sh write them.
"""

import json
import statistics
import sys


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def groups(results, *keys):
    """[(values of the keys, their results)], in order of appearance."""
    found = {}
    for result in results:
        found.setdefault(tuple(result[key] for key in keys), []).append(result)
    return list(found.items())


def delay(results):
    """Per path p50 and p99, and what both are above the direct path's p50 and p99."""
    direct = next(r for r in results if r["path"] == "direct")

    def row(r):
        added = [f"{r[q] - direct[q]:.0f}" if r is not direct else "" for q in ("p50_us", "p99_us")]
        return [r["path"], f"{r['p50_us']:.0f}", f"{r['p99_us']:.0f}", *added, str(r["lost"]), str(r["sent"])]

    head = ["path", "p50, µs", "p99, µs", "added p50", "added p99", "lost", "of"]
    return table(head, map(row, results))


def cpu(results):
    """Per path and server the median of the rounds; and ours as a share of theirs."""

    def cost(r, key="cpu_ns"):
        return r[key] / 1000 / max(1, r["delivered"])

    def median(some, key="cpu_ns"):
        return statistics.median(cost(r, key) for r in some)

    def lost(some):
        sent = sum(r["sent"] for r in some)
        return f"{100 * (sent - sum(r['delivered'] for r in some)) / sent:.1f} %"

    by = dict(groups(results, "path", "server"))
    rows = []
    for path in dict.fromkeys(r["path"] for r in results):
        ours, theirs = by[path, "sallyport"], by.get((path, "coturn"))
        row = [path, f"{median(ours):.1f}", lost(ours)]
        if theirs:
            row += [f"{median(theirs):.1f}", lost(theirs), f"{median(ours) / median(theirs):.2f}"]
        else:
            row += ["", "", f"gateway itself: {median(ours, 'gateway_cpu_ns'):.1f}"]
        rows.append(row)
    return table(["by", "sallyport, µs", "lost", "coturn, µs", "lost", "ratio"], rows)


def connect(results):
    def span(some, key):
        values = [r[key] for r in some]
        return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"

    rows = [
        [path, span(some, "connect_ms"), span(some, "first_frame_ms"), str(len(some))]
        for (path,), some in groups(results, "path")
    ]
    return table(["by", "connected, ms", "first picture, ms", "calls"], rows)


def main():
    tables = {"delay": delay, "cpu": cpu, "connect": connect}
    if len(sys.argv) != 2 or sys.argv[1] not in tables:
        sys.exit(__doc__)
    results = [json.loads(line) for line in sys.stdin]
    print("\n".join(tables[sys.argv[1]](results)))


if __name__ == "__main__":
    main()
