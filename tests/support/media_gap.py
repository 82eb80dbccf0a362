#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# media_gap.py FILE BEGIN END: what a report of call.mjs (--orders) says of a failure that began at the one mark
# and was over at the other, in one line: KEY=VALUE …
#
#   voice_ms, picture_ms    the longest time for which either side got none; 0: no time worth the name
#   back_ms                 how long after END both sides had both again; 0: before, or hardly a moment later
#   restarts                how often ICE was restarted since the call began
#
# Exit status 1: somebody still has no voice or no picture, or is not connected.

import json
import sys

SILENT_MS = 300  # beyond, media does not flow just now


def spans(report, begin, end, kind):
    for side in report.values():
        for mark in side["marks"]:
            if mark["name"] in (begin, end):
                yield mark["name"], mark[kind]


# The one that was there at the mark. What comes later is a matter of its own: a machine with much to do.
def is_outage(gap):
    return gap.get("away_ms", 0) < 0


def main():
    file, begin, end = sys.argv[1:]
    with open(file, encoding="utf-8") as f:
        report = json.load(f)
    longest, back = {}, 0
    for kind in ("audio", "video"):
        found = list(spans(report, begin, end, kind))
        longest[kind] = max((gap.get("gap_ms", 0) for _, gap in found), default=0)
        back = max([back] + [gap.get("back_ms", 0) for name, gap in found if name == end and is_outage(gap)])
    restarts = sum(side["ice_restarts"] for side in report.values())
    print(f"voice_ms={longest['audio']} picture_ms={longest['video']} back_ms={back} restarts={restarts}")
    flows = all(
        side["state"] == "connected" and max(side["silent_ms"].values()) < SILENT_MS for side in report.values()
    )
    sys.exit(0 if flows else 1)


main()
