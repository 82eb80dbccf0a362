#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether what the programs tell of themselves is well-formed, as those who read it want it.

    check_seen.py metrics FILE              Prometheus' text format, and its conventions for names
    check_seen.py log FILE README STATUS    JSON lines; events and keys as the README's table has them,
                                            "*tunnel*" for counters.tunnel of that /status
    check_seen.py find FILE MSG [KEY=VALUE...]   the last line of that event that has these values, as JSON

Says what is wrong and where, with exit status 1.
"""

import json
import re
import sys

NAME = re.compile(r"(sallyport|process)(_[a-z0-9]+)+")
SAMPLE = re.compile(r"([a-z_0-9]+)(?:\{(.*)\})? ([0-9]+(?:\.[0-9]+)?)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
NOT_BASE_UNITS = re.compile(r"_(us|ms|ns|kb|mb|milliseconds|microseconds|minutes|hours|kilobytes)(_|$)")


def wrong(where, text):
    sys.exit(f"{where}: {text}")


def check_labels(where, text):
    names, at = [], 0
    while at < len(text):
        m = LABEL.match(text, at)
        if m is None:
            wrong(where, f"labels {text}")
        names.append(m.group(1))
        at = m.end()
    if len(set(names)) != len(names) or text.endswith(","):
        wrong(where, f"labels {text}")


def check_name(where, name, kind):
    if not NAME.fullmatch(name) or NOT_BASE_UNITS.search(name):
        wrong(where, f"name {name}")
    if (kind == "counter") != name.endswith("_total"):
        wrong(where, f"{name} is a {kind}")
    if "bytes" in name and not re.search(r"_bytes(_total)?$", name):
        wrong(where, f"{name}: the unit comes last")


def metrics(path):
    text = open(path, encoding="utf-8").read()
    if not text.endswith("\n"):
        wrong(path, "no newline at the end")
    kinds, done, series, current, helped = {}, set(), set(), None, None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        if line.startswith("# HELP "):
            helped, _, meaning = line[7:].partition(" ")
            if not meaning.endswith("."):
                wrong(where, f"{helped} has no help, or no sentence: {meaning}")
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            if name != helped or name in kinds or kind not in ("counter", "gauge"):
                wrong(where, line)
            check_name(where, name, kind)
            kinds[name] = kind
            done.add(current)
            current = name
        else:
            m = SAMPLE.fullmatch(line)
            if m is None:
                wrong(where, f"no sample: {line}")
            if m.group(1) != current or current in done:
                wrong(where, f"{m.group(1)} stands among others")
            check_labels(where, m.group(2) or "")
            if (m.group(1), m.group(2)) in series:
                wrong(where, f"twice: {line}")
            series.add((m.group(1), m.group(2)))
    empty = set(kinds) - {name for name, _ in series}
    if empty:
        wrong(path, f"no samples of {empty}")
    if not {"sallyport_build_info", "process_start_time_seconds", "process_open_fds"} <= set(kinds):
        wrong(path, "what every program has is not there")
    print(f"{len(kinds)} metrics, {len(series)} series")


def no_twins(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError(f"a key twice in {pairs}")
    return dict(pairs)


def read_log(path):
    for number, line in enumerate(open(path, "rb"), 1):
        where = f"{path}:{number}"
        try:
            event = json.loads(line.decode("utf-8"), object_pairs_hook=no_twins)
        except ValueError as e:
            wrong(where, f"{e}: {line}")
        if not isinstance(event, dict) or not line.endswith(b"}\n"):
            wrong(where, f"no object, or no line: {line}")
        yield where, event


def documented(readme, status):
    """What each event's keys may be."""
    tunnel = set(json.load(open(status, encoding="utf-8"))["counters"]["tunnel"])
    events, before = {}, set()
    for line in open(readme, encoding="utf-8"):
        cells = re.split(r"(?<!\\)\|", line)
        if not line.startswith("| `") or len(cells) != 5:
            continue
        keys = set(re.findall(r"`([a-z0-9_]+)`", cells[2]))
        if "those, and" in cells[2]:
            keys |= before
        if "*tunnel*" in cells[2]:
            keys |= tunnel
        for msg in re.findall(r"`([^`]+)`", cells[1]):
            events[msg] = keys
        before = keys
    return events


def log(path, readme, status):
    events, undocumented, n = documented(readme, status), set(), 0
    for where, event in read_log(path):
        n += 1
        own = set(event) - {"time", "level", "msg", "cut"}
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]):
            wrong(where, f"time {event['time']}")
        if event["level"] not in ("error", "warn", "info", "debug"):
            wrong(where, f"level {event['level']}")
        if any(not re.fullmatch(r"[a-z][a-z0-9_]*", key) for key in own):
            wrong(where, f"keys {own}")
        if event["msg"] not in events:
            undocumented.add(event["msg"])
        elif not own <= events[event["msg"]]:
            wrong(where, f"\"{event['msg']}\" has keys that {readme} lacks: {own - events[event['msg']]}")
    if n == 0:
        wrong(path, "empty")
    print(f"{n} lines; not in the README: {sorted(undocumented)}")


def find(path, msg, *wanted):
    found = None
    pairs = [pair.split("=", 1) for pair in wanted]
    for _, event in read_log(path):
        if event["msg"] == msg and all(str(event.get(key)) == value for key, value in pairs):
            found = event
    if found is None:
        wrong(path, f"no \"{msg}\" with {wanted}")
    print(json.dumps(found))


if __name__ == "__main__":
    {"metrics": metrics, "log": log, "find": find}[sys.argv[1]](*sys.argv[2:])
