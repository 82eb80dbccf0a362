#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""More than a server can carry: it is stopped while clients and a peer go on sending, and then goes on.

    overload.py PID TARGET PEER

PID is the server's, TARGET "udp:ADDR:PORT" of it, PEER an address of this host that it may relay to;
the user is test:test. Prints one line:

    old=N sent=N came=N refresh=N newcomer=N later=yes|no crowd=N crowd_refresh=N after=N

old counts media that had waited for a second and came all the same; sent and came what was sent in a
whole second after the first one, and what of it came: of the best of four, since a busy machine may stand
still by itself; refresh and newcomer are the codes (0: success)
that a client with an allocation and one without got for what they asked while the server stood. Then it
stands again and again, for as long as media may wait, as one that never catches up: crowd is what a
newcomer got then, crowd_refresh what who has a call got meanwhile, and after what the newcomer got when
that was over.
"""

import os
import select
import signal
import socket
import struct
import sys
import time

import turn

CALLS = 16
STOOD_S = 1.0
AFTER_S = 5
BEHIND_S = 0.45  # longer than media may wait
TIMES = 8  # that it stands, at most
FLOOD = 3000  # from each client: far more than the kernel has room for
MEDIA = struct.Struct("!BBd")  # as RTP begins; what it is; when it was sent
OLD, FLOODED, STEADY = range(3)


def media(kind, length=1200):
    return MEDIA.pack(0x80, kind, time.monotonic()).ljust(length, b"\0")


def ask(client, method, attrs):
    """Sends a request, and does not wait for its answer."""
    tid = os.urandom(12)
    client.sock.sendall(turn.build(method, turn.REQUEST, tid, attrs + client.credentials, client.key))
    return tid


class Room:
    def __init__(self, target, peer):
        self.callers = [turn.client(target) for _ in range(CALLS)]
        self.newcomer = turn.client(target)
        self.crowd = [turn.client(target) for _ in range(TIMES)]
        # Nobody sends it anything: its socket has room for an answer at any time.
        self.quiet = turn.client(target)
        for c in [*self.callers, self.quiet]:
            c.allocate()
        for a, b in zip(self.callers[::2], self.callers[1::2]):
            a.bind(b.relayed)
            b.bind(a.relayed)
        self.others = dict(zip(self.callers[::2], self.callers[1::2]))
        self.others.update({b: a for a, b in self.others.items()})
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.peer.bind((peer, 0))
        self.callers[0].bind(self.peer.getsockname(), 0x4001)
        for c in [self.newcomer, *self.crowd]:
            try:
                c.refresh()
            except turn.TurnError as error:  # there is nothing to refresh; but now it has a nonce
                assert error.code == 437, error
        self.codes = {}
        self.came = []

    def send_all(self, kind):
        for c in self.callers:
            try:
                c.send(self.others[c].relayed, media(kind))
            except OSError:
                pass
        self.peer.sendto(media(kind), self.callers[0].relayed)

    def hear(self, seconds):
        clients = {c.sock: c for c in [*self.callers, self.quiet, self.newcomer, *self.crowd]}
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for sock in select.select(list(clients), [], [], left)[0]:
                message = sock.recv(65536)
                if message[0] & 0xC0:
                    self.came.append(MEDIA.unpack_from(message, 4))
                else:
                    _, cls, tid, attrs = turn.parse(message)
                    error = attrs.get(turn.ERROR_CODE, bytes(4))
                    self.codes[tid] = 0 if cls == turn.SUCCESS else error[2] * 100 + error[3]


def state(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0]


def stop(pid):
    """All of its threads: a busy machine lets some of them go on for a while."""
    os.kill(pid, signal.SIGSTOP)
    while any(state(pid, thread) != "T" for thread in os.listdir(f"/proc/{pid}/task")):
        time.sleep(0.001)


def stand(room, pid, newcomer):
    """What a newcomer and who has a call get from a server that is behind all the time."""
    stop(pid)
    for _ in range(10):
        room.send_all(OLD)
    allocate = ask(newcomer, turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, turn.UDP)])
    refresh = ask(room.quiet, turn.REFRESH, [(turn.LIFETIME, struct.pack("!I", 600))])
    time.sleep(BEHIND_S)
    os.kill(pid, signal.SIGCONT)
    until = time.monotonic() + turn.PATIENCE_S
    while not {allocate, refresh} <= room.codes.keys() and time.monotonic() < until:
        room.hear(0.02)
    return room.codes.get(allocate), room.codes.get(refresh)


def overload(room, pid):
    """Until one is sent away; then what that one gets when it is over."""
    for newcomer in room.crowd:
        code, refresh = stand(room, pid, newcomer)
        if code != 0:
            break
    after = code
    until = time.monotonic() + turn.PATIENCE_S
    while after == 508 and time.monotonic() < until:
        time.sleep(0.1)
        try:
            newcomer.allocate()
            after = 0
        except turn.TurnError as error:
            after = error.code
    return f"crowd={code} crowd_refresh={refresh} after={after}"


def main():
    pid, target, peer = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    room = Room(target, peer)
    stop(pid)
    for _ in range(30):
        room.send_all(OLD)
    refresh = ask(room.quiet, turn.REFRESH, [(turn.LIFETIME, struct.pack("!I", 600))])
    newcomer = ask(room.newcomer, turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, turn.UDP)])
    for _ in range(70):
        room.send_all(OLD)
    time.sleep(STOOD_S)
    for _ in range(FLOOD):
        room.send_all(FLOODED)
    os.kill(pid, signal.SIGCONT)
    begin, sent = time.monotonic(), [0] * AFTER_S
    while (second := int(time.monotonic() - begin)) < AFTER_S:
        room.send_all(STEADY)
        sent[second] += CALLS + 1
        room.hear(0.02)
    room.hear(1)
    old = sum(kind == OLD for _, kind, _ in room.came)
    came = [0] * (AFTER_S + 1)
    for _, kind, at in room.came:
        if kind == STEADY:
            came[int(at - begin)] += 1
    best = max(range(1, AFTER_S), key=lambda i: came[i] / max(sent[i], 1))
    later = True
    try:
        room.newcomer.allocate()
    except turn.TurnError:
        later = False
    print(
        f"old={old} sent={sent[best]} came={came[best]} refresh={room.codes.get(refresh)} "
        f"newcomer={room.codes.get(newcomer)} later={'yes' if later else 'no'} "
        f"{overload(room, pid)}"
    )


if __name__ == "__main__":
    main()
