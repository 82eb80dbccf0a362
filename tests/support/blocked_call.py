#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""blocked_call.py CALL_JSON

A call between two blocked callers, as call.mjs reports it: each side must have seen and heard the other,
through relayed addresses of host edge alone, and no candidate that a gateway had a part in may tell of a
caller's own network. Says what is wrong, if anything is."""

import ipaddress
import json
import sys

EDGE = "198.51.100.2"
LOCAL = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24")]


def check_media(side):
    frames, packets = side["video"]["frames_decoded"], side["audio"]["packets_received"]
    assert frames >= 50, f"only {frames} frames"
    assert packets >= 100, f"only {packets} packets of audio"


def check_path(side):
    local, remote = side["pair"]["local"], side["pair"]["remote"]
    assert local["type"] == "relay" and local["address"] == EDGE, local
    assert remote["address"] == EDGE, remote


def check_candidates(side):
    """Host candidates are the browser's own affair. Firefox, not Chromium, makes a server-reflexive one of
    what the gateway says, too: it must be the relayed address and nothing else."""
    for c in side["candidates"]:
        if c["type"] == "host":
            continue
        assert c["address"] == EDGE, c
        related = c["relatedAddress"]
        assert not any(ipaddress.ip_address(related) in net for net in LOCAL), c


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        call = json.load(file)
    for name in ("a", "b"):
        try:
            check_media(call[name])
            check_path(call[name])
            check_candidates(call[name])
        except AssertionError as error:
            sys.exit(f"side {name}: {error}")


main()
