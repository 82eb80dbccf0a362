#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of Markdown out of what the benches measured.

    report.py delay|cpu|connect|quality <RESULTS

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


def quality(results):
    """A table a network and rate: per path the median over the seeds of the worse direction."""

    def flows(r, what):
        return [f for f in r["media"]["flows"] if f["class"] == what]

    def worse(some, what, value):
        return statistics.median(max(value(f) for f in flows(r, what)) for r in some)

    def share(key):
        return lambda f: 100 * f[key] / f["sent"]

    def over_floor(key):
        return lambda f: f[key]

    def columns(some):
        for what in ("voice", "video"):
            yield f"{worse(some, what, share('late50')):.2f}"
            yield f"{worse(some, what, share('late100')):.2f}"
            yield f"{worse(some, what, share('lost')):.2f}"
            for key in ("p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "gap_ms"):
                yield f"{worse(some, what, over_floor(key)):.0f}"
        yield f"{statistics.median(spent(r) for r in some):.2f}"
        yield f"{statistics.median(per_datagram(r, 'server', 'coturn') for r in some):.0f}"
        yield f"{statistics.median(per_datagram(r, 'gateway-a', 'gateway-b') for r in some):.0f}"

    def media_bytes(r):
        return sum(f["bytes"] for f in r["media"]["flows"])

    def spent(r):
        return r["wire_bytes"] / 2 / media_bytes(r)  # both links

    def per_datagram(r, *programs):
        came = sum(f["sent"] - f["lost"] for f in r["media"]["flows"])
        return sum(r["cpu_ns"].get(p, 0) for p in programs) / 1000 / max(1, came)

    delays = ["late 50", "late 100", "lost", "p50", "p95", "p99", "p99.9", "max", "gap"]
    head = ["path", *delays, *delays, "wire", "server", "gateways", "seeds", "voice", "video", "commit"]
    for (network, kbps, cc), some in groups(results, "network", "video_kbps", "cc"):
        done = [r for r in some if "media" in r]
        floor = f", floor {done[0]['media']['floor_ms']} ms" if done else ""
        seconds = f", {done[0]['media']['seconds']} s" if done else ""
        yield f"{network}, {kbps} kbit/s of video, TCP {cc}{floor}{seconds}; voice, then video"
        yield ""
        rows = []
        for (path,), paths in groups(some, "path"):
            ran = [r for r in paths if "media" in r]
            seeds = ",".join(str(r["seed"]) for r in ran) or "none"
            if len(ran) < len(paths):
                seeds += " (not run: " + ",".join(str(r["seed"]) for r in paths if r not in ran) + ")"
            sent = [str(sum(f["sent"] for r in ran for f in flows(r, what))) for what in ("voice", "video")]
            commits = " ".join(dict.fromkeys(r["commit"] for r in ran)) or "not run"
            values = columns(ran) if ran else [""] * (2 * len(delays) + 3)
            rows.append([path, *values, seeds, *sent, commits])
        yield from table(head, rows)
        yield ""
    yield "late: % of what was sent, later than that many ms over the floor or lost, before any repair by the"
    yield "browser; lost: %; the others in ms; wire: bytes on both links for each byte of media; server and both"
    yield "gateways: us of processor time for each datagram that came. Median over the seeds, worse direction."


def main():
    tables = {"delay": delay, "cpu": cpu, "connect": connect, "quality": quality}
    if len(sys.argv) != 2 or sys.argv[1] not in tables:
        sys.exit(__doc__)
    results = [json.loads(line) for line in sys.stdin]
    print("\n".join(tables[sys.argv[1]](results)))


if __name__ == "__main__":
    main()
