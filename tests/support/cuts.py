#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that are cut, each at the same stage of what it had begun: one by FIN, the next by RST.

    cuts.py ADDR TOKEN_FILE STAGE N

One after the other, on port 443. Prints "sent=N". Without arguments: the stages there are, one a line.
"""

import socket
import struct
import sys

import attack
import lane
import turn

HEAD = b" / HTTP/1.1\r\nHost: edge.test\r\n"
RELAYED = [(turn.REQUESTED_TRANSPORT, turn.UDP)]
TID = bytes(range(12))


def tcp():
    return turn.connect(f"tcp:{ADDRESS}:443")


def tls():
    return turn.connect(f"tls:{ADDRESS}:443")


def saying(make, *what):
    def stage():
        sock = make()
        for part in what:
            sock.sendall(part)
        return sock

    return stage


def hello(most):
    whole = attack.client_hello()
    return saying(tcp, whole[:most])


def knock(token, body=b""):
    return (
        b"GET /.well-known/sallyport HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: rfc4571\r\n"
        b"Authorization: Bearer %s\r\nSallyport-Tunnel: new\r\n\r\n%s" % (token, body)
    )


def wrong_nonce():
    attrs = [(turn.USERNAME, b"test"), (turn.REALM, b"edge.test"), (turn.NONCE, b"x" * 40)]
    return turn.build(turn.ALLOCATE, turn.REQUEST, TID, RELAYED + attrs, key=b"no key at all...")


def stranger_of_ice():
    check = turn.build(turn.BINDING, turn.REQUEST, TID, [(turn.USERNAME, b"some:body")], key=b"nobody's")
    return struct.pack("!H", len(check)) + check


def allocated(transport, *what):
    def stage():
        client = turn.client(f"{transport}:{ADDRESS}:443")
        client.allocate()
        for part in what:
            client.sock.sendall(part)
        return client.sock

    return stage


def new_lane(*what):
    def stage():
        one = lane.Lane(ADDRESS, TOKEN)
        for part in what:
            one.sock.sendall(part)
        return one.sock

    return stage


def lane_with_allocation():
    one = lane.Lane(ADDRESS, TOKEN)
    turn.Client(one, stream=False).allocate()
    return one.sock


def joined_again():
    """Two more lanes under one number: the second takes the first one's place."""
    one = lane.Lane(ADDRESS, TOKEN)
    others = [lane.Lane(ADDRESS, TOKEN, tunnel=one.tunnel + b"; lane=1") for _ in range(2)]
    for other in others:
        other.close()
    return one.sock


def stages():
    return {
        "connected": tcp,
        "half-a-hello": hello(11),
        "hello": hello(None),
        "handshake": tls,
        "half-a-head": saying(tls, b"GET" + HEAD + b"X-Long: " + b"x" * 5000),
        "half-a-body": saying(tls, b"POST" + HEAD + b"Content-Length: 100000\r\n\r\n" + b"x" * 5000),
        "unread-answers": saying(tls, (b"GET" + HEAD + b"\r\n") * 500),
        "plain-unread-answers": saying(tcp, (b"GET" + HEAD + b"\r\n") * 500),
        "wrong-token": saying(tls, knock(b"v1.e30.xxxx")),
        "unread-upgrade": saying(tls, knock(TOKEN, lane.frame() * 10)),
        "wrong-nonces": saying(tcp, wrong_nonce() * 100),
        "wrong-nonces-by-tls": saying(tls, wrong_nonce() * 100),
        "allocation": allocated("tcp"),
        "allocation-by-tls": allocated("tls"),
        "half-channel-data": allocated("tls", b"\x40\0\xff\xff" + bytes(30000)),
        "half-a-message": allocated("tcp", wrong_nonce()[:30]),
        "no-session": saying(tcp, stranger_of_ice()),
        "lane": new_lane(),
        "half-a-frame": new_lane(lane.data_frame(1, 1, bytes(16000))[:9000]),
        "lane-with-allocation": lane_with_allocation,
        "lane-joined-again": joined_again,
    }


def cut(sock, at_once):
    if at_once:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        ADDRESS, TOKEN = "", b""
        print("\n".join(stages()))
        sys.exit()
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    ADDRESS = sys.argv[1]
    with open(sys.argv[2], "rb") as file:
        TOKEN = file.read().strip()
    reach = stages()[sys.argv[3]]
    for number in range(int(sys.argv[4])):
        cut(reach(), number % 2)
    print(f"sent={sys.argv[4]}")
