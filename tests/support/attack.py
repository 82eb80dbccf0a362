#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks a server from many addresses at once. The same each time.

    attack.py silent ADDR PORT N NET     connections that never say a word
    attack.py half ADDR PORT N NET       TLS handshakes that stop after the ClientHello, each at once
    attack.py burst ADDR PORT N NET      the same, but all say their ClientHello in the same moment
    attack.py drip ADDR PORT N NET       heads of HTTP requests that never end, a byte at a time
    attack.py stun ADDR PORT N NET       Binding and Allocate requests by UDP, from one prefix
    attack.py guess ADDR PORT N NET      tunnel tokens and TURN passwords that are wrong

N is how many in all; NET is "203.0.113." or the like, all of whose addresses are this host's. Connections
are held until the server ends them. Prints "sent=N", how many the server "ended=N",
and how many datagrams or requests it "answered=N".
"""

import os
import resource
import select
import socket
import ssl
import sys
import time

import turn

SPARE_DESCRIPTORS = 100
ADDRESSES = 250
STEP = 50  # connections between two pauses: a call goes on beside this, on the same machine
PAUSE_S = 0.01
SETTLE_S = 1.0
PATIENCE_S = 25  # until the server has ended them all
DRIP_ROUNDS = 20


def raise_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE_DESCRIPTORS


def client_hello():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="edge.test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()


def is_over(sock):
    """Whether the server ended the connection; what it says is thrown away."""
    try:
        while got := sock.recv(65536):
            del got
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


class Crowd:
    """Connections from all over NET, as many at once as descriptors allow."""

    def __init__(self, address, port, net):
        self.to, self.net = (address, port), net
        self.limit = raise_limit()
        self.socks = []
        self.sent = self.ended = 0

    def connect(self):
        if len(self.socks) >= self.limit:
            self.sweep()
            if len(self.socks) >= self.limit:
                self.socks.pop(0).close()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.bind((f"{self.net}{self.sent % ADDRESSES + 1}", 0))
        sock.setblocking(False)
        sock.connect_ex(self.to)
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        poll.poll(PATIENCE_S * 1000)  # at once, unless the server is behind with accepting
        self.socks.append(sock)
        self.sent += 1
        if self.sent % STEP == 0:
            time.sleep(PAUSE_S)
        return sock

    def say(self, sock, message):
        try:
            sock.send(message)
        except OSError:
            pass  # not connected yet, or no more

    def sweep(self):
        over = [sock for sock in self.socks if is_over(sock)]
        for sock in over:
            sock.close()
        self.ended += len(over)
        gone = set(over)
        self.socks = [sock for sock in self.socks if sock not in gone]

    def report(self):
        until = time.monotonic() + PATIENCE_S
        while self.socks and time.monotonic() < until:
            time.sleep(0.1)
            self.sweep()
        print(f"sent={self.sent} ended={self.ended} held={len(self.socks)}", flush=True)


def silent(crowd, count):
    for _ in range(count):
        crowd.connect()
    crowd.report()


def half(crowd, count):
    hello = client_hello()
    for _ in range(count):
        sock = crowd.connect()
        crowd.say(sock, hello)  # on loopback a connection is there at once
    crowd.report()


def burst(crowd, count):
    hello = client_hello()
    for _ in range(count):
        crowd.connect()
    time.sleep(SETTLE_S)
    for sock in crowd.socks:
        crowd.say(sock, hello)
    crowd.report()


def drip(crowd, count):
    for _ in range(count):
        crowd.say(crowd.connect(), b"GET / HTTP/1.1\r\nHost: edge.test\r\nX-Drip: ")
    for _ in range(DRIP_ROUNDS):
        crowd.sweep()
        for sock in crowd.socks:
            crowd.say(sock, b"x")
        time.sleep(PAUSE_S)
    crowd.report()


def stun(address, port, count, net):
    binding = turn.build(turn.BINDING, turn.REQUEST, os.urandom(12), [])
    allocate = turn.build(turn.ALLOCATE, turn.REQUEST, os.urandom(12), [(turn.REQUESTED_TRANSPORT, turn.UDP)])
    socks, answered = [], 0
    for n in range(ADDRESSES):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"{net}{n + 1}", 0))
        sock.setblocking(False)
        socks.append(sock)
    for n in range(count):
        socks[n % ADDRESSES].sendto(binding if n % 2 else allocate, (address, port))
        if n % STEP == 0:
            time.sleep(PAUSE_S / 10)
    time.sleep(SETTLE_S)
    for sock in socks:
        try:
            while sock.recv(2048):
                answered += 1
        except BlockingIOError:
            pass
    print(f"sent={count} answered={answered}")


def read_answer(sock):
    """The status of an HTTP answer with a Content-Length, read whole; 0: the connection is over."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (got := sock.recv(65536)):
            return 0
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        if not (got := sock.recv(65536)):
            return 0
        body += got
    return int(head.split()[1])


def guess_token(sock, number):
    token = f"v1.{os.urandom(60).hex()}.{os.urandom(32).hex()}"
    sock.sendall(
        b"GET /.well-known/sallyport HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: rfc4571\r\n"
        b"Authorization: Bearer %s\r\nSallyport-Tunnel: new\r\n\r\n" % token.encode()
    )
    return read_answer(sock)


def guess(address, port, count, net):
    del net
    answered = sent = 0
    sock = None
    while sent < count // 2:
        sock = sock or turn.connect(f"tls:{address}:{port}")
        status = guess_token(sock, sent)
        if status == 101:
            sys.exit("a token was guessed")
        sent += 1
        if status == 0:
            sock = None
        else:
            answered += 1
    for _ in range(count // 2 // 20):
        client = turn.client(f"tcp:{address}:{port}")
        client.password = os.urandom(8).hex()
        for _ in range(20):
            sent += 1
            try:
                client.allocate()
                sys.exit("a password was guessed")
            except turn.TurnError as error:
                answered += error.code == 401
    print(f"sent={sent} answered={answered}")


CROWDS = {"silent": silent, "half": half, "burst": burst, "drip": drip}
OTHERS = {"stun": stun, "guess": guess}

if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] not in CROWDS | OTHERS:
        sys.exit(__doc__)
    kind, host, number, total, network = sys.argv[1:]
    if kind in CROWDS:
        CROWDS[kind](Crowd(host, int(number), network), int(total))
    else:
        OTHERS[kind](host, int(number), int(total), network)
