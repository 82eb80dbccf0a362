#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots of what the quality bench measured, by gnuplot, as SVG and PNG.

    plot.py FOLDER <RESULTS

RESULTS is a JSON object a line, as tests/bench/quality.sh writes them. For each network, rate and congestion
control: which share of what was sent was there how long after the floor, of voice and of video. And over all
networks that differ in their loss alone: the share that was late at 50 ms against the loss. Several seeds
and both directions are taken together.
"""

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

# Fractions that media_tally.c prints quantiles for.
LEVELS = [i / 100 for i in range(100)] + [i / 1000 for i in range(990, 1001)]
# What lies between each and the one before.
WEIGHTS = [level - before for before, level in zip([0, *LEVELS], LEVELS)]
LEAST_SHARE = 0.01  # %, where a logarithmic axis begins
# Above the plot: within it there is no corner that no line ever passes.
KEY = "set key tmargin center horizontal noenhanced"
NAMES = {
    "udp": "plain UDP",
    "coturn": "coturn, TURN over TLS",
    "one-lane": "sallyport, one lane",
    "ours": "sallyport",
    "turns": "sallyport, TURN over TLS",
    "ice-tcp": "sallyport, ICE-TCP",
}


def flows(rows, what):
    return [f for r in rows for f in r["media"]["flows"] if f["class"] == what]


def by_path(rows):
    """[(title, its rows)]; one for each congestion control of the server's half, where that is the server's own choice."""
    for path, title in NAMES.items():
        mine = [r for r in rows if r["path"] == path]
        for half in dict.fromkeys(r.get("server_cc") for r in mine):
            by = "" if half is None else f" (server: {half})"
            yield title + by, [r for r in mine if r.get("server_cc") == half]


def distribution(rows, what):
    """[(ms over the floor, share of what was sent that was there by then)]"""
    floor = rows[0]["media"]["floor_ms"]
    points = []
    for f in flows(rows, what):
        came = f["sent"] - f["lost"]
        points += [(q - floor, came * weight) for q, weight in zip(f["quantiles_ms"], WEIGHTS)]
    sent = sum(f["sent"] for f in flows(rows, what))
    total = 0
    for ms, weight in sorted(points):
        total += weight
        yield ms, 100 * total / sent


def late_share(rows, what):
    """Of each row the worse direction, of these the median."""
    worst = [max(100 * f["late50"] / f["sent"] for f in flows([r], what)) for r in rows]
    return statistics.median(worst)


def gnuplot(file, settings, curves):
    """curves: [(title, points)]"""
    for terminal in ("svg size 800,500 dynamic background '#ffffff'", "png size 1000,620"):
        kind = terminal.split()[0]
        lines = [f"set terminal {terminal}", f"set output '{file}.{kind}'", "set grid", KEY, *settings]
        styles = [f"'-' with linespoints pointsize 0.4 linewidth 2 title '{title}'" for title, _ in curves]
        lines.append("plot " + ", ".join(styles))
        for _, points in curves:
            lines += [f"{x:.4f} {y:.4f}" for x, y in points] + ["e"]
        subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=True)


def plot_distributions(rows, folder, name):
    for what in ("voice", "video"):
        curves = [(title, list(distribution(some, what))) for title, some in by_path(rows)]
        settings = [
            f"set title '{what}, {name}' noenhanced",
            "set xlabel 'ms over the floor'",
            "set ylabel '% of what was sent is there'",
            "set xrange [-2:300]",
            "set yrange [0:100.5]",
        ]
        gnuplot(folder / f"{name}-{what}", settings, curves)


def plot_loss(rows, folder, name):
    for what in ("voice", "video"):
        curves = []
        for title, some in by_path(rows):
            losses = sorted({r["loss"] for r in some})
            of = {loss: late_share([r for r in some if r["loss"] == loss], what) for loss in losses}
            curves.append((title, [(loss, max(LEAST_SHARE, share)) for loss, share in of.items()]))
        settings = [
            f"set title '{what}, {name}' noenhanced",
            "set xlabel 'lost on each link, %'",
            "set ylabel '% later than 50 ms over the floor, or lost'",
            "set logscale y",
            f"set yrange [{LEAST_SHARE}:120]",
        ]
        gnuplot(folder / f"late-{name}-{what}", settings, curves)


def grouped(rows, key):
    found = {}
    for r in rows:
        found.setdefault(key(r), []).append(r)
    return found.items()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rows = [r for line in sys.stdin if "media" in (r := json.loads(line))]
    for (network, kbps, cc), some in grouped(rows, lambda r: (r["network"], r["video_kbps"], r["cc"])):
        plot_distributions(some, folder, f"{network}-{kbps}k-{cc}")
    series = []
    for r in rows:
        if m := re.fullmatch(r"(\d+ms)-([\d.]+)%(.*)", r["network"]):
            series.append({**r, "loss": float(m[2]), "series": f"{m[1]}{m[3]}-{r['video_kbps']}k-{r['cc']}"})
    for name, some in grouped(series, lambda r: r["series"]):
        if len({r["loss"] for r in some}) > 1:
            plot_loss(some, folder, name)


main()
