# SPDX-License-Identifier: GPL-2.0-or-later
"""A TURN client of a hundred lines, for tests that have to know what is on the wire. Import it.

Blocking, one allocation per client, by UDP, TCP or TLS; data by channels. Retransmits by UDP. Nothing in
it refreshes an allocation: tests are over before it would have to.
"""

import hashlib
import hmac
import ipaddress
import os
import socket
import ssl
import struct
import time

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9
REQUEST, INDICATION, SUCCESS, ERROR = range(4)
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, CHANNEL_NUMBER, LIFETIME = 0x06, 0x08, 0x09, 0x0C, 0x0D
XOR_PEER, DATA_ATTR, REALM, NONCE, XOR_RELAYED = 0x12, 0x13, 0x14, 0x15, 0x16
FAMILY, REQUESTED_TRANSPORT, XOR_MAPPED = 0x17, 0x19, 0x20
UDP = b"\x11\0\0\0"
PATIENCE_S = 5


class TurnError(Exception):
    def __init__(self, method, code, attrs):
        super().__init__(f"method {method} refused: {code}")
        self.code, self.attrs = code, attrs


def xor_addr(address, tid):
    """Of (ip, port), as the value of an attribute."""
    ip = ipaddress.ip_address(address[0])
    mask = struct.pack("!I", COOKIE) + tid
    raw = bytes(a ^ b for a, b in zip(ip.packed, mask))
    return struct.pack("!HH", 1 if ip.version == 4 else 2, address[1] ^ COOKIE >> 16) + raw


def un_xor_addr(value, tid):
    mask = struct.pack("!I", COOKIE) + tid
    ip = ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask)))
    return str(ip), struct.unpack_from("!H", value, 2)[0] ^ COOKIE >> 16


def build(method, cls, tid, attrs, key=None):
    """attrs: pairs of type and value. With a key: MESSAGE-INTEGRITY at the end."""
    kind = method & 0xF | (method & 0x70) << 1 | (method & 0xF80) << 2 | (cls & 1) << 4 | (cls & 2) << 7
    body = b"".join(struct.pack("!HH", t, len(v)) + v + bytes(-len(v) % 4) for t, v in attrs)
    head = struct.pack("!HHI", kind, len(body) + (24 if key else 0), COOKIE) + tid
    if key:
        mac = hmac.new(key, head + body, hashlib.sha1).digest()
        body += struct.pack("!HH", MESSAGE_INTEGRITY, 20) + mac
    return head + body


def parse(message):
    """method, class, transaction id, {type: first value}"""
    kind, length = struct.unpack_from("!HH", message)
    method = kind & 0xF | (kind & 0xE0) >> 1 | (kind & 0x3E00) >> 2
    attrs, at = {}, 20
    while at + 4 <= 20 + length:
        attr, size = struct.unpack_from("!HH", message, at)
        attrs.setdefault(attr, message[at + 4 : at + 4 + size])
        at += 4 + size + -size % 4
    return method, (kind >> 4 & 1) | (kind >> 7 & 2), message[8:20], attrs


def connect(target, receive_bytes=None):
    """A socket to "udp:ADDR:PORT", "tcp:…" or "tls:…"; an IPv6 address has no brackets."""
    transport, rest = target.split(":", 1)
    host, port = rest.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(PATIENCE_S)
    sock.connect((host, int(port)))
    if transport != "udp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if transport == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock, server_hostname="edge.test")
    return sock


class Client:
    """On a socket: of datagrams, or of a stream."""

    def __init__(self, sock, stream, user="test", password="test"):
        self.sock, self.is_stream = sock, stream
        self.user, self.password = user, password
        self.credentials = self.key = self.relayed = self.mapped = None
        self.buffer = b""
        self.waiting = []  # data that came while an answer was awaited
        self.channels = {}  # number: peer, and peer: number

    # ---- messages ----------------------------------------------------------------------------------

    def _cut(self):
        """The first whole message of the stream, or None."""
        if len(self.buffer) < 4:
            return None
        first, length = struct.unpack_from("!HH", self.buffer)
        whole = 4 + length + -length % 4 if first & 0xC000 else 20 + length
        if len(self.buffer) < whole:
            return None
        message, self.buffer = self.buffer[:whole], self.buffer[whole:]
        return message

    def _message(self, until):
        while True:
            if self.is_stream and (message := self._cut()):
                return message
            self.sock.settimeout(max(until - time.monotonic(), 0.001))
            got = self.sock.recv(65536)
            if not self.is_stream:
                return got
            if not got:
                raise ConnectionError("closed by the server")
            self.buffer += got

    def _data(self, message):
        """(peer, data) of ChannelData and Data indications, or None."""
        if message[0] & 0xC0:
            number, length = struct.unpack_from("!HH", message)
            return self.channels.get(number), message[4 : 4 + length]
        method, cls, tid, attrs = parse(message)
        if (method, cls) != (DATA, INDICATION):
            return None
        return un_xor_addr(attrs[XOR_PEER], tid), attrs[DATA_ATTR]

    def receive(self, patience_s):
        """(peer, data), or None when nothing came."""
        if self.waiting:
            return self.waiting.pop(0)
        until = time.monotonic() + patience_s
        try:
            while True:
                if data := self._data(self._message(until)):
                    return data
        except (TimeoutError, ConnectionRefusedError):
            return None

    # ---- transactions ------------------------------------------------------------------------------

    def _answer(self, tid, until):
        while True:
            message = self._message(until)
            if not message[0] & 0xC0 and message[8:20] == tid:
                return message
            if data := self._data(message):
                self.waiting.append(data)

    def _transact(self, message):
        tid, wait_s, end = message[8:20], 0.5, time.monotonic() + PATIENCE_S
        while True:
            self.sock.settimeout(PATIENCE_S)
            self.sock.sendall(message)
            until = end if self.is_stream else min(time.monotonic() + wait_s, end)
            try:
                return self._answer(tid, until)
            except (TimeoutError, ConnectionRefusedError):
                if time.monotonic() >= end:
                    raise TimeoutError("no answer") from None
            wait_s *= 2

    def request(self, method, attrs=()):
        """The attributes of the success, with credentials once the server has asked for them."""
        for _ in range(3):
            tid = os.urandom(12)
            all_attrs = [(t, xor_addr(v, tid) if isinstance(v, tuple) else v) for t, v in attrs]
            if self.credentials:
                all_attrs += self.credentials
            answer = self._transact(build(method, REQUEST, tid, all_attrs, self.key))
            _, cls, tid, got = parse(answer)
            if cls == SUCCESS:
                return tid, got
            code = got[ERROR_CODE][2] * 100 + got[ERROR_CODE][3]
            if code not in (401, 438) or (code == 401 and self.credentials):
                raise TurnError(method, code, got)
            realm = got[REALM]
            text = f"{self.user}:{realm.decode()}:{self.password}".encode()
            self.key = hashlib.md5(text).digest()
            self.credentials = [(USERNAME, self.user.encode()), (REALM, realm), (NONCE, got[NONCE])]
        raise TurnError(method, code, got)

    # ---- TURN --------------------------------------------------------------------------------------

    def allocate(self, family=None):
        attrs = [(REQUESTED_TRANSPORT, UDP)]
        if family:
            attrs.append((FAMILY, bytes([1 if family == 4 else 2, 0, 0, 0])))
        tid, got = self.request(ALLOCATE, attrs)
        self.relayed = un_xor_addr(got[XOR_RELAYED], tid)
        self.mapped = un_xor_addr(got[XOR_MAPPED], tid)
        return self.relayed

    def refresh(self, lifetime_s=600):
        self.request(REFRESH, [(LIFETIME, struct.pack("!I", lifetime_s))])

    def permit(self, peer):
        self.request(CREATE_PERMISSION, [(XOR_PEER, peer)])

    def bind(self, peer, number=0x4000):
        self.request(CHANNEL_BIND, [(CHANNEL_NUMBER, struct.pack("!HH", number, 0)), (XOR_PEER, peer)])
        self.channels[number], self.channels[peer] = peer, number

    def send(self, peer, data):
        message = struct.pack("!HH", self.channels[peer], len(data)) + data
        if self.is_stream:
            message += bytes(-len(data) % 4)
        self.sock.sendall(message)

    def close(self):
        self.sock.close()


def client(target, **more):
    """A client on a socket of its own."""
    return Client(connect(target, **more), stream=not target.startswith("udp:"))
