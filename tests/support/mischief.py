#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Misbehaves towards servers and gateways. The same each time.

    mischief.py datagrams ADDR PORT            malformed STUN, ChannelData and noise by UDP
    mischief.py streams tcp|tls ADDR PORT      the same, and worse HTTP and TLS, over connections
    mischief.py frames ADDR TOKEN_FILE         lanes that break framing, or say what makes no sense
    mischief.py deaf turn PEER TARGET...       TURN over TCP or TLS that never reads what it is sent
    mischief.py deaf lane PEER ADDR TOKEN_FILE a lane that never reads
    mischief.py deaf http ADDR                 requests without end, whose answers nobody reads
    mischief.py hold connections ADDR PORT     so many that no program has place for them, for HOLD_S
    mischief.py hold relays ADDR               allocations by UDP until there is no place (508), and then
                                               connections; for HOLD_S


Ends with status 0 when all was said, and prints what became of it: "sent=N", and for connections how many
the other side "ended=N", for deaf how many bytes were sent to deaf ears as "flood=N".
"""

import random
import select
import socket
import struct
import sys
import time

import lane
import turn

DICE = random.Random(20260111)
TID = bytes(range(12))
# A small one, so that what a deaf client does not read stays in the server and not in kernels.
DEAF_RECEIVE_BYTES = 4096
DEAF_CLIENTS = 3
FLOOD_DATAGRAMS = 12000
FLOOD_BYTES = 1200
FLOOD_PAUSE_S = 0.01
FLOOD_BURST = 40
HOLD_CONNECTIONS = 200
HOLD_S = 2


def attr(kind, value, length=None):
    return struct.pack("!HH", kind, len(value) if length is None else length) + value


def stun(kind, body, length=None, cookie=turn.COOKIE):
    return struct.pack("!HHI", kind, len(body) if length is None else length, cookie) + TID + body


def malformed():
    """STUN and ChannelData, each wrong in its own way; by datagrams, and as the start of a stream."""
    allocate = stun(0x0003, attr(turn.REQUESTED_TRANSPORT, turn.UDP))
    yield b""
    yield b"\0"
    yield stun(0x0001, b"")[:19]
    yield stun(0x0001, b"", length=4)
    yield stun(0x0001, b"", length=0xFFFC)
    yield stun(0x0001, b"abc")
    yield stun(0x0001, attr(0x8022, b"long", length=400))
    yield stun(0x0001, attr(0x0006, b"", length=0xFFFF))
    yield stun(0x0001, attr(0x8028, b"\1\2\3\4"))  # FINGERPRINT that is wrong
    yield stun(0x0001, attr(0x7F7F, b"????"))  # to be understood, and is not
    yield stun(0x0101, attr(turn.XOR_MAPPED, b"\0\1\2\3\4\5\6\7"))  # an answer to nothing
    yield stun(0x0111, b"")
    yield stun(0x0FFF, b"")
    yield stun(0x3EEF, b"")
    yield stun(0x0001, b"", cookie=0)
    yield stun(0x0003, b"")
    yield stun(0x0003, attr(turn.REQUESTED_TRANSPORT, b"\x06\0\0\0"))
    yield stun(0x0003, attr(turn.REQUESTED_TRANSPORT, b"\x11"))
    yield stun(0x0003, attr(turn.USERNAME, b"x" * 600) + attr(turn.MESSAGE_INTEGRITY, b"y" * 20))
    yield stun(0x0003, attr(turn.USERNAME, b"test") + attr(turn.MESSAGE_INTEGRITY, b"short"))
    yield stun(0x0004, attr(turn.LIFETIME, b"\0"))
    yield stun(0x0008, attr(turn.XOR_PEER, b"\0\3\0\0nonsense"))
    yield stun(0x0009, attr(turn.CHANNEL_NUMBER, b"\0\0\0\0"))
    yield stun(0x0016, attr(turn.XOR_PEER, b"\0\1\0\0\0\0\0\0") + attr(turn.DATA_ATTR, b"x" * 1000))
    yield b"\x40\x00\x00\x04data"
    yield b"\x40\x00\xff\xffdata"
    yield b"\x4f\xff\x00\x00"
    yield b"\x7f\xff\x00\x10" + bytes(16)
    yield b"\xff" * 100
    for _ in range(1000):
        mutant = bytearray(DICE.choice((allocate, stun(0x0001, b""), b"\x40\x00\x00\x08datadata")))
        for _ in range(DICE.randrange(1, 6)):
            mutant[DICE.randrange(len(mutant))] = DICE.randrange(256)
        yield bytes(mutant)
    for size in (1, 20, 500, 1500, 9000, 60000):
        yield DICE.randbytes(size)


def datagrams(address, port):
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for message in malformed():
            sock.sendto(message, (address, port))
            sent += 1
            if sent % 20 == 0:
                time.sleep(0.002)
    print(f"sent={sent}")


# ---- connections -----------------------------------------------------------------------------------


def http():
    yield b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    yield b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"GET " + b"/a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n"
    yield b"GET / HTTP/1.1\r\n folded\r\n\r\n"
    yield b"HELO mail.example\r\n"
    yield b"SSH-2.0-nobody\r\n"
    yield b"GET / HT"  # and nothing more


def hello():
    yield b"\x16\x03\x01\xff\xff\x01"
    yield b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
    yield b"\x16\x03\x01\x02\x00\x01" + DICE.randbytes(511)
    yield b"\x16\x03\x01\x00\x04\x01\xff\xff\xff"
    yield b"\x15\x03\x01\x00\x02\x02\x28"
    yield b"\x80\x2e\x01\x00\x02" + bytes(43)  # as SSL 2 said it
    for _ in range(20):
        yield b"\x16\x03" + DICE.randbytes(2) + b"\x10\x01" + DICE.randbytes(DICE.randrange(300))


def says(sock, message, patience_s):
    """Whether the other side ended the connection."""
    try:
        sock.sendall(message)
        sock.settimeout(patience_s)
        while sock.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def streams(kind, address, port):
    messages = [*list(malformed())[:60], *http()] + (list(hello()) if kind == "tcp" else [])
    # Behind something that is right: a stream that was taken for TURN goes wrong later.
    messages += [stun(0x0001, b"") + m for m in (b"\xff" * 8, b"GET / HTTP/1.1\r\n\r\n", b"\x40\0\xff\xffx")]
    sent = ended = 0
    for message in messages:
        with turn.connect(f"{kind}:{address}:{port}") as sock:
            ended += says(sock, message, 0.02)
            sent += 1
    # Half a handshake, and an end without a word.
    for size in (1, 5, 50):
        with socket.create_connection((address, port)) as sock:
            sock.sendall(next(hello())[:size])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    print(f"sent={sent} ended={ended}")


def token_in(path):
    with open(path, "rb") as file:
        return file.read().strip()


def frames(address, path):
    fine = lane.data_frame(7, 1, b"x" * 100)
    ping = turn.build(0xF03, turn.REQUEST, TID, [])
    wrong = [
        lane.frame(b"\0"),
        lane.frame(b"\0\7\0"),
        lane.frame(b"\0\7\0\0\0"),
        struct.pack("!H", 0xFFFF) + b"\0\1\0\0\0\1" + bytes(20000),
        lane.data_frame(1, 1, bytes(16300)),
        lane.control_frame(b""),
    ]
    senseless = [
        lane.frame() * 1000,
        lane.frame(b"\xff\xff", DICE.randbytes(1000)) * 50,
        fine * 500,
        lane.control_frame(DICE.randbytes(200)) * 20,
        lane.control_frame(stun(0x0001, b"")) * 20,
        lane.control_frame(turn.build(0xF01, turn.REQUEST, TID, [])) * 20,
        lane.control_frame(turn.build(0xF02, turn.REQUEST, TID, [(lane.FLOW, b"\0\7\0\0")])) * 20,
        lane.control_frame(turn.build(0xF02, turn.REQUEST, TID, [(lane.FLOW, b"\0\0\0\0")])) * 20,
        lane.control_frame(turn.build(0xF01, turn.ERROR, TID, [])) * 20,
        lane.control_frame(ping[:-1]) * 20,
        b"".join(
            lane.control_frame(
                turn.build(
                    0xF01,
                    turn.REQUEST,
                    DICE.randbytes(12),
                    [(lane.SEQ, DICE.randbytes(4)), (lane.FLOW, struct.pack("!HH", n, kind))]
                    + [(turn.DATA_ATTR, DICE.randbytes(50))],
                )
            )
            for n in range(1, 600)
            for kind in (n % 3,)
        ),
    ]
    ended = 0
    for message in wrong:
        one = lane.Lane(address, token_in(path))
        ended += says(one.sock, message, 1)
        one.close()
    print(f"sent={len(wrong)} ended={ended}", flush=True)
    for message in senseless:
        one = lane.Lane(address, token_in(path))
        if says(one.sock, message, 0.05):
            sys.exit(f"a lane ended for {message[:40]!r}")
        one.sock.settimeout(5)
        one.sock.sendall(lane.control_frame(ping))
        while one._packet()[10:22] != TID:
            pass  # whatever it has to say about the rest
        one.close()
    print(f"sent={len(wrong) + len(senseless)} ended={ended} alive={len(senseless)}")


# ---- deaf ------------------------------------------------------------------------------------------


def flood(clients, peer):
    """From the peer's address to those who don't listen."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((peer, 0))
        for client in clients:
            client.bind(sock.getsockname())
        while sent < FLOOD_DATAGRAMS:
            for client in clients:
                for _ in range(FLOOD_BURST):
                    sock.sendto(bytes(FLOOD_BYTES), client.relayed)
                    sent += 1
            time.sleep(FLOOD_PAUSE_S)
    return sent * FLOOD_BYTES


def deaf_turn(peer, *targets):
    clients = [
        turn.client(target, receive_bytes=DEAF_RECEIVE_BYTES)
        for target in targets
        for _ in range(DEAF_CLIENTS)
    ]
    for client in clients:
        client.allocate()
    print(f"flood={flood(clients, peer)}", flush=True)
    time.sleep(1)


def deaf_lane(peer, address, path):
    clients = []
    for _ in range(DEAF_CLIENTS):
        one = lane.Lane(address, token_in(path), receive_bytes=DEAF_RECEIVE_BYTES)
        clients.append(turn.Client(one, stream=False))
        clients[-1].allocate()
    print(f"flood={flood(clients, peer)}", flush=True)
    time.sleep(1)


def deaf_http(address):
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
    socks = [turn.connect(f"{k}:{address}:443", DEAF_RECEIVE_BYTES) for k in ("tcp", "tls", "tcp")]
    said, until = 0, time.monotonic() + 2
    for sock in socks:
        sock.setblocking(False)
    while time.monotonic() < until:
        for sock in select.select([], socks, [], 0.1)[1]:
            try:
                said += sock.send(request)
            except (BlockingIOError, turn.ssl.SSLWantWriteError):
                time.sleep(0.01)
    print(f"flood={said}")


def begin_connections(address, port, count):
    socks = []
    for _ in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.connect_ex((address, port))
        socks.append(sock)
    return socks


def hold_connections(address, port):
    socks = begin_connections(address, port, HOLD_CONNECTIONS)
    print("ready", flush=True)
    time.sleep(HOLD_S)
    print(f"sent={len(socks)}")


def hold_relays(address):
    clients = []
    try:
        while True:
            client = turn.client(f"udp:{address}:3478")
            client.allocate()
            clients.append(client)
    except turn.TurnError as error:
        if error.code != 508:
            raise
    socks = begin_connections(address, 443, 3)
    print("ready", flush=True)
    time.sleep(HOLD_S)
    for client in clients:
        client.refresh(0)
    print(f"sent={len(clients) + len(socks)}")


COMMANDS = {
    ("datagrams",): lambda a: datagrams(a[0], int(a[1])),
    ("streams",): lambda a: streams(a[0], a[1], int(a[2])),
    ("frames",): lambda a: frames(*a),
    ("deaf", "turn"): lambda a: deaf_turn(*a),
    ("deaf", "lane"): lambda a: deaf_lane(*a),
    ("deaf", "http"): lambda a: deaf_http(*a),
    ("hold", "connections"): lambda a: hold_connections(a[0], int(a[1])),
    ("hold", "relays"): lambda a: hold_relays(*a),
}

if __name__ == "__main__":
    for command, function in COMMANDS.items():
        if tuple(sys.argv[1 : 1 + len(command)]) == command:
            function(sys.argv[1 + len(command) :])
            break
    else:
        sys.exit(__doc__)
