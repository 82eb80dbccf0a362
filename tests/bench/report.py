#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of Markdown out of what the benches measured.

    report.py delay|connect|sessions|quality|browser|relay <RESULTS
    report.py calm <RESULTS    (no table: exit status 1 if the machine was too busy for one of these rows of quality or browser)

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


def ways(results):
    """[(path, and the congestion control of the server's half where that is the server's own choice; their results)]"""
    for (path,), some in groups(results, "path"):
        halves = dict.fromkeys(r["server_cc"] for r in some if "server_cc" in r)
        for half in halves or [None]:
            name = path if half is None else f"{path} (server: {half})"
            yield name, [r for r in some if r.get("server_cc", half) == half]


def delay(results):
    """Per rate and path p50 and p99, and what both are above the direct path's p50 and p99."""
    head = ["p50, µs", "p99, µs", "added p50", "added p99", "lost", "of"]
    for (interval,), some in groups(results, "interval_ms"):
        direct = next(r for r in some if r["path"] == "direct")
        rows = []
        for r in some:
            added = [f"{r[q] - direct[q]:.0f}" if r is not direct else "" for q in ("p50_us", "p99_us")]
            rows.append([r["path"], f"{r['p50_us']:.0f}", f"{r['p99_us']:.0f}", *added, str(r["lost"]), str(r["sent"])])
        yield from table([f"path, {1000 / interval:.0f} a second by each", *head], rows)
        yield ""


def connect(results):
    def span(some, key):
        values = [r[key] for r in some]
        return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"

    rows = [
        [path, span(some, "connect_ms"), span(some, "first_frame_ms"), str(len(some))]
        for (path,), some in groups(results, "path")
    ]
    return table(["by", "connected, ms", "first picture, ms", "calls"], rows)


QUALITY_NOTE = """late: % of what was sent that was lost, or came later than that many ms over the floor, on its way between
the hosts, before any repair by the browser; lost: %; p50 to gap: ms; wire: bytes on the links for each byte of
media; server, gateways: us of processor time for each datagram that came, of both gateways together; download:
Mbit/s, and as a share of that beside UDP; back: ms from the end of an outage, or from each change of a rate, until
voice is within 20 ms of the floor again (to a tenth of a second, at most 5000). Median over the seeds, of each
figure the worse of the two directions."""


def sessions(results):
    """Medians beside each other, least and most, and what was the way of a session's caller and called."""
    rows = []
    for (row,), some in groups(results, "row"):
        def span(by):
            ran = sorted(r["connect_ms"] for r in some if r["by"] == by and "error" not in r)
            failed = sum(r["by"] == by and "error" in r for r in some)
            text = f"{statistics.median(ran):.0f} ({ran[0]:.0f} to {ran[-1]:.0f})" if ran else "none"
            return text + (f", {failed} failed" if failed else "")
        ways = sorted({", ".join(r["ways"]) for r in some if r["by"] in ("pass", "early") and "error" not in r})
        rows.append([row, "; ".join(ways), *map(span, ("direct", "pass", "early", "coturn")),
                     str(sum(r["by"] == "pass" for r in some))])
    return table(["A, B", "by", "direct, ms", "`pass`", "`early`", "coturn, `turns:`", "calls each"], rows)


def quality(results):
    """A table for each network, rate and congestion control."""
    for (network, kbps, cc), some in groups(results, "network", "video_kbps", "cc"):
        ran = [r["media"] for r in some if "media" in r]
        yield f"{network}: {kbps} kbit/s of video, TCP {cc}" + (
            f", floor {ran[0]['floor_ms']} ms, {ran[0]['seconds']} s" if ran else ""
        )
        yield ""
        yield from quality_table(some)
        yield ""
        busy = [f"{r['path']} seed {r['seed']}" for r in some if "media" in r and was_busy(r)]
        if busy:
            yield "The machine was busy, don't trust: " + ", ".join(busy)
            yield ""
    yield QUALITY_NOTE


def quality_table(results):
    head = ["path", "of", "late 50", "late 100", "lost", "p50", "p95", "p99", "p99.9", "max", "gap", "sent"]
    head += ["wire", "server", "gateways", "download", "back", "seeds", "commit"]
    beside_udp = [goodput(r) for r in results if r["path"] == "udp" and r.get("bulk")]
    rows = []
    for path, some in ways(results):
        ran = [r for r in some if "media" in r]
        if not ran:
            rows.append([path, "not run"] + [""] * (len(head) - 2))
            continue
        spent = [
            "" if ran[0]["bulk"] else f"{median(ran, wire_per_byte):.2f}",
            f"{median(ran, lambda r: cpu_per_datagram(r, 'server', 'coturn')):.0f}",
            f"{median(ran, lambda r: cpu_per_datagram(r, 'gateway-a', 'gateway-b')):.0f}",
            download(ran, beside_udp),
            backs(ran),
            ",".join(str(r["seed"]) for r in ran) + missing_seeds(some),
            " ".join(dict.fromkeys(r["commit"] for r in ran)),
        ]
        rows.append([path, "voice", *class_figures(ran, "voice"), *spent])
        rows.append(["", "video", *class_figures(ran, "video"), *[""] * len(spent)])
    return table(head, rows)


def was_busy(r):
    """A link let packets wait that were due, or the callers did not send on time."""
    links = max(r["links"][name]["own_error_us"]["p99"] for name in ("a", "b"))
    return links > 2000 or r["media"]["load"]["mean_late_ms"] > 1


# A tenth of a second is at the floor when something of it came as fast as this, in ms over the floor. The queue has
# gone when most of a second is: a key frame may fill a slow link for a moment.
AT_FLOOR = 20
MOST = 8
WITHIN = 50  # tenths of a second after the event


def back_at_floor(r, event_s):
    """ms until voice is at the floor again after the event, by tenths of a second; the worse direction."""

    def back(flow):
        first = int(event_s * 10)
        at_floor = [0 < least <= r["media"]["floor_ms"] + AT_FLOOR for _, _, least, _ in flow["tenths"][first:]]
        for i in range(WITHIN):
            if at_floor[i : i + 1] == [True] and sum(at_floor[i : i + 10]) >= MOST:
                return 100 * i
        return 100 * WITHIN

    return max(back(f) for f in r["media"]["flows"] if f["class"] == "voice")


def backs(ran):
    """Of each event."""
    events = range(len(ran[0]["events_s"]))
    return ", ".join(f"{median(ran, lambda r, i=i: back_at_floor(r, r['events_s'][i])):.0f}" for i in events)


def class_figures(ran, what):
    def worse(value):
        return median(ran, lambda r: max(value(f) for f in r["media"]["flows"] if f["class"] == what))

    for key in ("late50", "late100", "lost"):
        yield f"{worse(lambda f, k=key: 100 * f[k] / f['sent']):.2f}"
    for key in ("p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "gap_ms"):
        yield f"{worse(lambda f, k=key: f[k]):.0f}"
    yield str(sum(f["sent"] for r in ran for f in r["media"]["flows"] if f["class"] == what))


def median(ran, value):
    return statistics.median(value(r) for r in ran)


def wire_per_byte(r):
    links = 2
    return r["wire_bytes"] / links / sum(f["bytes"] for f in r["media"]["flows"])


def cpu_per_datagram(r, *programs):
    came = sum(f["sent"] - f["lost"] for f in r["media"]["flows"])
    return sum(r["cpu_ns"].get(p, 0) for p in programs) / 1000 / max(1, came)


def goodput(r):
    return r["bulk"]["bytes"] * 8 / 1e6 / r["bulk"]["seconds"]


def download(ran, beside_udp):
    if not ran[0]["bulk"]:
        return ""
    mine = median(ran, goodput)
    share = f" ({100 * mine / statistics.median(beside_udp):.0f} %)" if beside_udp else ""
    return f"{mine:.2f}{share}"


def missing_seeds(some, what="media"):
    missing = ",".join(str(r["seed"]) for r in some if what not in r)
    return f" (not run: {missing})" if missing else ""


BROWSER_NOTE = """Of each figure the worse of the two directions, median over the seeds. frames: decoded a second, of 30 that
the camera gives; freezes: how many, and seconds of picture that stood still; buffers: ms that a picture and a piece of
voice waited to be played, mean; made up: % of the voice that was heard but had not come; video: Mbit/s of new video
that came, mean, and of the last third; may: Mbit/s that the congestion control would have let out at the end;
again: % of what came of video that was sent again, asked for or to find out what the way can carry; lost: % of the
packets of video that never came; trip: ms, round trip, mean; wire: Mbit/s on a link in a direction, mean; up: ms from
createOffer to the first picture; busy: % of the machine's processors, and of them the browsers' share; samples: of
getStats(), each of one second and one browser."""


def browser(results):
    """A table for each rate and congestion control."""
    for (kbps, cc), some in groups(results, "video_kbps", "cc"):
        ran = [r for r in some if "call" in r]
        yield f"{kbps} kbit/s of video at most, TCP {cc}" + (
            f", {ran[0]['seconds']} s, {ran[0]['call']['version']}" if ran else ""
        )
        yield ""
        yield from browser_table(some)
        yield ""
        busy = [f"{r['network']} {r['path']} seed {r['seed']}" for r in ran if browsers_were_busy(r)]
        if busy:
            yield "The machine was busy, don't trust: " + ", ".join(busy)
            yield ""
    yield BROWSER_NOTE


def browser_table(results):
    head = ["network", "path", "frames", "freezes", "frozen, s", "picture buffer", "voice buffer", "made up, %"]
    head += ["video", "at the end", "may", "again, %", "lost, %", "trip", "wire", "up", "busy, %", "samples"]
    head += ["seeds", "commit"]
    rows = []
    for (network,), same in groups(results, "network"):
        name = network
        for path, some in ways(same):
            ran = [r for r in some if "call" in r]
            figures = browser_row(some, ran) if ran else ["not run"] + [""] * (len(head) - 3)
            rows.append([name, path, *figures])
            name = ""
    return table(head, rows)


def browser_row(some, ran):
    sides = [[Received(r["call"][side]) for side in "ab"] for r in ran]
    return [
        *browser_figures(sides),
        f"{median(ran, lambda r: r['wire_bytes'] * 8 / 1e6 / r['seconds'] / 4):.1f}",
        f"{median(ran, lambda r: max(r['call'][side][0]['first_frame_ms'] for side in 'ab')):.0f}",
        f"{median(ran, lambda r: r['load']['busy_percent']):.0f}, "
        f"{median(ran, lambda r: sum(r['load']['browser_percent'])):.0f}",
        str(sum(len(side.samples) - 1 for both in sides for side in both)),
        ",".join(str(r["seed"]) for r in ran) + missing_seeds(some, "call"),
        " ".join(dict.fromkeys(r["commit"] for r in ran)),
    ]


def browser_figures(ran):
    """ran: of each row both sides"""

    def worst(value, least=False):
        return median(ran, lambda sides: (min if least else max)(value(side) for side in sides))

    yield f"{worst(lambda s: s.each_second('video', 'framesDecoded'), least=True):.1f}"
    yield f"{worst(lambda s: s.more('video', 'freezeCount')):.0f}"
    yield f"{worst(lambda s: s.more('video', 'totalFreezesDuration')):.1f}"
    for kind in ("video", "audio"):
        yield f"{worst(lambda s, k=kind: 1000 * s.part(k, 'jitterBufferDelay', 'jitterBufferEmittedCount')):.0f}"
    yield f"{worst(lambda s: 100 * s.part('audio', 'concealedSamples', 'totalSamplesReceived')):.1f}"
    yield f"{worst(lambda s: s.new_mbps(), least=True):.2f}"
    yield f"{worst(lambda s: s.last_third().new_mbps(), least=True):.2f}"
    yield f"{worst(lambda s: s.last['pair']['availableOutgoingBitrate'] / 1e6, least=True):.1f}"
    yield f"{worst(lambda s: 100 * s.part('video', 'retransmittedBytesReceived', 'bytesReceived')):.0f}"
    yield f"{worst(lambda s: s.lost_percent()):.1f}"
    yield f"{worst(lambda s: 1000 * s.mean_trip()):.0f}"


class Received:
    """What one browser saw between the first and the last of its samples (tests/support/measured_page.js)."""

    def __init__(self, samples):
        self.samples = samples
        self.first, self.last = samples[0], samples[-1]
        self.seconds = (self.last["at_ms"] - self.first["at_ms"]) / 1000

    def last_third(self):
        return Received(self.samples[-1 - max(1, (len(self.samples) - 1) // 3) :])

    def more(self, what, key):
        return self.last[what][key] - self.first[what][key]

    def each_second(self, what, key):
        return self.more(what, key) / self.seconds

    def part(self, what, key, of):
        return self.more(what, key) / max(1, self.more(what, of))

    def new_mbps(self):
        new = self.more("video", "bytesReceived") - self.more("video", "retransmittedBytesReceived")
        return 8e-6 * new / self.seconds

    def lost_percent(self):
        lost = max(0, self.more("video", "packetsLost"))
        return 100 * lost / max(1, lost + self.more("video", "packetsReceived"))

    def mean_trip(self):
        return statistics.mean(s["pair"]["currentRoundTripTime"] for s in self.samples[1:])


def browsers_were_busy(r):
    """A link let packets wait that were due, hardly any time was left, or a camera or an encoder was short of it."""
    links = max(r["links"][name]["own_error_us"]["p99"] for name in ("a", "b"))
    sides = [Received(r["call"][side]) for side in "ab"]
    cameras = min(statistics.mean(s["camera_fps"] for s in side.samples[1:]) for side in sides)
    limited = max(side.last["sent"]["qualityLimitationDurations"]["cpu"] for side in sides)
    wanted = r["call"]["camera"]["frameRate"]
    return links > 2000 or r["load"]["busy_percent"] > 95 or cameras < 0.95 * wanted or limited > 0


RELAY_NOTE = """us: processor time of the server (gateway: of the gateway, too) for each datagram that came; lost: %; late: % that
came after more than 100 ms; delay: us, one way; MB: of the server; own: us of the generator for each. ratio: to coturn on the same path, beside TLS-TLS, TLS-UDP
and UDP-UDP where it has none. most: the highest rate at which less than 0.1 % was lost or late; more: the next that was tried.
* the generator did not keep up: not the server's limit."""

# What a path that coturn has not stands beside.
BESIDE = {"tunnel-tunnel": "TLS-TLS", "tunnel-UDP": "TLS-UDP", "gateway-gateway": "UDP-UDP"}
GENERATOR_BEHIND_MS = 50


def relay(results):
    parts = dict(groups(results, "part"))
    for part, of_it in (("rows", relay_rows), ("calls", relay_calls), ("growth", relay_growth), ("memory", relay_memory)):
        if (part,) in parts:
            yield from of_it(parts[part,])
            yield ""
    if ("instructions",) in parts:
        yield from relay_instructions(parts["instructions",])
        yield ""
    yield RELAY_NOTE


def server_us(*results):
    return sum(r["server_cpu_ns"] for r in results) / 1000 / max(1, sum(r["delivered"] for r in results))


def ratio(mine, theirs):
    return f"{mine / theirs:.2f}" if theirs else ""


def relay_rows(results):
    """A table for each size: a row for each path, load and server."""
    for (size,), some in groups(results, "bytes"):
        coturn = {(r["path"], r["load"]): r for r in some if r["server"] == "coturn"}
        rows = []
        for r in some:
            load = {"coturn loses": "more"}.get(r["load"], r["load"])
            beside = coturn.get((BESIDE.get(r["path"], r["path"]), load))
            mine = r["server"] == "sallyport"
            rows.append([
                r["path"],
                r["server"],
                r["load"] + ("*" if r["behind_ms"] >= GENERATOR_BEHIND_MS else ""),
                f"{r['rate']:.0f}",
                f"{server_us(r):.1f}" + (f" + {r['gateway_cpu_ns'] / 1000 / max(1, r['delivered']):.1f}" if r["gateway_cpu_ns"] else ""),
                ratio(server_us(r), server_us(beside)) if mine and beside else "",
                f"{100 * r['lost'] / r['sent']:.2f}",
                f"{100 * r['late'] / r['sent']:.2f}",
                f"{r['p50_us']:.0f}",
                f"{r['p99_us']:.0f}",
                f"{r['p999_us']:.0f}",
                f"{r['server_rss_kb'] / 1024:.1f}",
                f"{r['own_cpu_ns'] / 1000 / max(1, r['delivered']):.1f}",
                str(r["sent"]),
            ])
        head = ["server", "load", "a second", "us", "ratio", "lost", "late", "delay p50", "p99", "p99.9", "MB", "own", "of"]
        yield from table([f"path, {size} bytes", *head], rows)
        yield ""


def relay_calls(results):
    """The least of the rounds: what others on the machine take only adds to it."""
    least = {key: min(some, key=server_us) for key, some in groups(results, "path", "server")}
    rows = []
    for (path, server), r in least.items():
        beside = least.get((BESIDE.get(path, path), "coturn"))
        gateway = r["gateway_cpu_ns"] / 1000 / max(1, r["delivered"])
        rows.append([
            path,
            server,
            f"{r['rate']:.0f}",
            f"{server_us(r):.1f}" + (f" + {gateway:.1f}" if gateway else ""),
            ratio(server_us(r), server_us(beside)) if server == "sallyport" and beside else "",
            f"{100 * r['lost'] / r['sent']:.2f}",
            f"{r['own_cpu_ns'] / 1000 / max(1, r['delivered']):.1f}",
            str(r["sent"]),
        ])
    return table(["calls: voice and video", "server", "a second", "us", "ratio", "lost", "own", "of"], rows)


def relay_growth(results):
    """us for each datagram, the load the same, on so many flows: the mean of all measurements, as one differs from the next by
    a quarter; and as a multiple of the fewest."""
    flows = sorted({2 * r["pairs"] for r in results})
    rows = []
    for (path, server), some in groups(results, "path", "server"):
        by = {n: [r for r in some if 2 * r["pairs"] == n] for n in flows}
        ran = {n: [r for r in by[n] if "not_run" not in r] for n in flows}
        first = next((server_us(*ran[n]) for n in flows if ran[n]), None)
        cells = []
        for n in flows:
            if not ran[n]:
                cells.append("not run" + (f": {by[n][0]['not_run']}" if by[n] else ""))
                continue
            missing, sent = (sum(r[key] for r in ran[n]) for key in ("lost", "sent"))
            lost = f", {100 * missing / sent:.1f} % lost" if missing else ""
            cells.append(f"{server_us(*ran[n]):.1f} ({server_us(*ran[n]) / first:.2f}){lost}")
        rows.append([path, server, *cells])
    return table(["growth, us", "server", *(f"{n} flows" for n in flows)], rows)


def relay_memory(results):
    """KB for each end or, of tunnels, for each tunnel."""
    rows = []
    coturn = {}
    for r in results:
        each = (r["after_kb"] - r["before_kb"]) / (2 * r["pairs"])
        if r["server"] == "coturn":
            coturn[r["path"]] = each
        what = {"UDP-UDP": "allocation, UDP client", "TLS-TLS": "allocation, TLS client", "tunnel-tunnel": "tunnel of 4 lanes"}
        beside = coturn.get(r["path"])
        rows.append([what[r["path"]], r["server"], str(2 * r["pairs"]), f"{each:.1f}", ratio(each, beside) if r["server"] == "sallyport" else ""])
    return table(["memory of what is idle", "server", "of", "KB each", "ratio"], rows)


def relay_instructions(results):
    """The server's own, without the kernel's, for each datagram that came: one at a time, and twenty at once."""
    rows = []
    coturn = {}
    for (path, server, size), some in groups(results, "path", "server", "bytes"):
        each = {r["tick_us"]: r["instructions"] / max(1, r["delivered"]) for r in some}
        ticks = sorted(each)
        if server == "coturn":
            coturn[path, size] = each
        beside = coturn.get((BESIDE.get(path, path), size), {})
        cells = [f"{each[t]:.0f}" for t in ticks]
        cells += [ratio(each[t], beside.get(t)) if server == "sallyport" else "" for t in ticks]
        rows.append([path, server, str(size), *cells])
    return table(["instructions", "server", "bytes", "one", "twenty", "ratio", "ratio"], rows)


def main():
    tables = {"delay": delay, "connect": connect, "sessions": sessions, "quality": quality, "browser": browser,
              "relay": relay}
    if len(sys.argv) != 2 or sys.argv[1] not in (*tables, "calm"):
        sys.exit(__doc__)
    results = [json.loads(line) for line in sys.stdin]
    if sys.argv[1] == "calm":
        sys.exit(any(was_busy(r) if "media" in r else browsers_were_busy(r) for r in results))
    print("\n".join(tables[sys.argv[1]](results)))


if __name__ == "__main__":
    main()
