#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbered datagrams, sent and counted on one machine.

    udp_count.py sink ADDR PORT                       until the sender says that it was all
    udp_count.py send ADDR PORT COUNT BYTES PAUSE [ENOUGH]
                                                      PAUSE seconds between two; no more when the file ENOUGH is there

The sink prints how many came, how many of them after a higher number, and the least time in ms.
"""

import os
import socket
import struct
import sys
import time

HEAD = struct.Struct("!IQ")
LAST = 0xFFFFFFFF


def sink(sock):
    print("ready", flush=True)
    sock.settimeout(20)
    came = disorder = 0
    highest = -1
    least = float("inf")
    while True:
        data = sock.recv(65536)
        number, sent_ns = HEAD.unpack_from(data)
        if number == LAST:
            break
        came += 1
        disorder += number < highest
        highest = max(highest, number)
        least = min(least, time.monotonic_ns() - sent_ns)
    print(came, disorder, f"{least / 1e6:.3f}")


def send(sock, to, count, length, pause, enough):
    body = bytes(length - HEAD.size)
    for number in range(count):
        if enough and os.path.exists(enough):
            break
        sock.sendto(HEAD.pack(number, time.monotonic_ns()) + body, to)
        time.sleep(pause)
    for _ in range(3):  # far enough apart for a full queue, and for a burst of losses
        time.sleep(0.4)
        sock.sendto(HEAD.pack(LAST, 0), to)


def main():
    what, addr, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if what == "sink":
            sock.bind((addr, port))
            sink(sock)
        else:
            send(sock, (addr, port), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]), "".join(sys.argv[7:]))


main()
