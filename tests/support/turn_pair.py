#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A call in miniature: two TURN clients that send each other numbered datagrams until SIGTERM,
and some in any case.

    turn_pair.py TARGET TARGET [INTERVAL_MS [BYTES]]

TARGET is "udp:ADDR:PORT", "tcp:…" or "tls:…" of a TURN server; the user is test:test. Prints
"ready" when data has come both ways. At the end it refreshes both allocations, gives them back,
and prints one line:

    sent=N lost=N twice=N altered=N gap_ms=N last_ms=N kept=yes|no

lost counts what never came, gap_ms is the longest time that either side heard nothing, last_ms how
long ago the last datagram came; kept says whether both allocations are still those of the beginning.
"""

import hashlib
import select
import signal
import struct
import sys
import time

import turn

NUMBER = struct.Struct("!I")
SETTLE_S = 0.5
LEAST = 50  # datagrams from each side, however early the end: fewer lost would say nothing


class Side:
    def __init__(self, target, length):
        self.client = turn.client(target)
        self.client.allocate()
        self.length = length
        self.sent = self.twice = self.altered = self.gap_s = 0
        self.seen = set()
        self.heard = time.monotonic()
        self.error = None

    def datagram(self, number):
        head = NUMBER.pack(number)
        return head + hashlib.shake_128(head).digest(self.length - len(head))

    def send_to(self, other):
        try:
            self.client.send(other.client.relayed, self.datagram(self.sent))
        except ConnectionRefusedError:
            pass  # what UDP tells about the datagram before
        except OSError as error:
            self.error = error
        self.sent += 1

    def hear(self):
        try:
            while got := self.client.receive(0.001):
                now = time.monotonic()
                self.gap_s = max(self.gap_s, now - self.heard)
                self.heard = now
                (number,) = NUMBER.unpack_from(got[1])
                self.altered += got[1] != self.datagram(number)
                self.twice += number in self.seen
                self.seen.add(number)
        except OSError as error:
            self.error = error

    def gives_back_its_allocation(self):
        """Whether it still had one."""
        try:
            self.client.refresh()
            self.client.refresh(0)
        except (OSError, turn.TurnError) as error:
            self.error = self.error or error
        return self.error is None


def listen(sides, until):
    while (wait_s := until - time.monotonic()) > 0:
        alive = {s.client.sock: s for s in sides if not s.error}
        for sock in select.select(list(alive), [], [], wait_s)[0]:
            alive[sock].hear()


def main():
    interval_s = int(sys.argv[3] if len(sys.argv) > 3 else 20) / 1000
    length = int(sys.argv[4] if len(sys.argv) > 4 else 200)
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.append(True))
    a, b = sides = Side(sys.argv[1], length), Side(sys.argv[2], length)
    a.client.bind(b.client.relayed)
    b.client.bind(a.client.relayed)
    due = a.heard = b.heard = time.monotonic()
    ready = False
    while not ended or (a.sent < LEAST and not (a.error or b.error)):
        a.send_to(b)
        b.send_to(a)
        due = max(due + interval_s, time.monotonic())
        listen(sides, due)
        if not ready and a.seen and b.seen:
            ready = True
            print("ready", *a.client.relayed, *b.client.relayed, flush=True)
    stopped = time.monotonic()
    listen(sides, stopped + SETTLE_S)
    kept = all([side.gives_back_its_allocation() for side in sides])
    for side in sides:
        if side.error:
            print("error:", repr(side.error), file=sys.stderr)
    sent, came = a.sent + b.sent, len(a.seen) + len(b.seen)
    print(
        f"sent={sent} lost={sent - came} twice={a.twice + b.twice} altered={a.altered + b.altered}",
        f"gap_ms={max(a.gap_s, b.gap_s) * 1000:.0f}",
        f"last_ms={max(0, stopped - min(a.heard, b.heard)) * 1000:.0f}",
        f"kept={'yes' if kept else 'no'}",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
