#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What gets through: a server that echoes, and a client that tells what became of what it sent.

    probe.py serve udp/PORT|tcp/PORT...          echoes, IPv4 and IPv6, until it is ended
    probe.py ask udp/ADDR/PORT[/FROM]|tcp/ADDR/PORT...

ask tries all its targets at the same time and prints one line for each, "TARGET answered", "TARGET
refused" (somebody said no) or "TARGET silent" (nothing came within PATIENCE_S). By UDP it sends DATAGRAMS
datagrams; FROM is the port to send from.
"""

import socket
import sys
import threading

DATAGRAMS = 2
# TCP sends its SYN again after 1 s, and Linux acts on an ICMP error only if connect() is asleep by then.
PATIENCE_S = 1.6


def echo_datagrams(sock):
    while True:
        data, peer = sock.recvfrom(2048)
        sock.sendto(data, peer)


def echo_connections(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_S)
            try:
                connection.sendall(connection.recv(2048))
            except OSError:
                pass


def serve(targets):
    threads = []
    for target in targets:
        kind, port = target.split("/")
        stream = kind == "tcp"
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", int(port)))
        if stream:
            sock.listen(16)
        echo = echo_connections if stream else echo_datagrams
        threads.append(threading.Thread(target=echo, args=(sock,), daemon=True))
    for thread in threads:
        thread.start()
    print("ready", *targets, flush=True)
    for thread in threads:
        thread.join()


def exchange(kind, address, port, source):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    stream = kind == "tcp"
    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        if source:
            sock.bind(("", source))
        sock.connect((address, port))
        for _ in range(1 if stream else DATAGRAMS):
            try:
                sock.send(b"knock")
            except ConnectionRefusedError:
                pass  # what the datagram before met; this one was not sent, so again
                sock.send(b"knock")
            except PermissionError:
                pass  # dropped on this very host, where the kernel tells the sender
        return sock.recv(2048)


def ask_one(target, results):
    kind, address, port, source = (target.split("/") + ["0"])[:4]
    try:
        exchange(kind, address, int(port), int(source))
        results[target] = "answered"
    except TimeoutError:
        results[target] = "silent"
    except OSError:
        results[target] = "refused"


def ask(targets):
    results = {}
    threads = [threading.Thread(target=ask_one, args=(t, results)) for t in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for target in targets:
        print(target, results[target])


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("serve", "ask"):
        sys.exit(__doc__)
    (serve if sys.argv[1] == "serve" else ask)(sys.argv[2:])
