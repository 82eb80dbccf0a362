# SPDX-License-Identifier: GPL-2.0-or-later
"""One lane of a tunnel, with one flow on it, as a socket for turn.Client: src/PROTOCOL.md in small. Import it.

For tests that have to be the gateway themselves: a wrong one, or one that stops reading.
"""

import os
import struct

import turn

OPEN = 0xF01
FLOW, SEQ = 0xFF01, 0xFF02
FLOW_NUMBER, KIND_TURN = 1, 1


def frame(*parts):
    body = b"".join(parts)
    return struct.pack("!H", len(body)) + body


def data_frame(flow, seq, datagram):
    return frame(struct.pack("!HI", flow, seq), datagram)


def control_frame(message):
    return frame(b"\0\0", message)


class Lane:
    """A new tunnel with this as its only lane; or, with `tunnel`, one more of that tunnel."""

    def __init__(self, address, token, receive_bytes=None, tunnel=b"new"):
        self.sock = turn.connect(f"tls:{address}:443", receive_bytes)
        self.sock.sendall(
            b"GET /.well-known/sallyport HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\n"
            b"Upgrade: rfc4571\r\nAuthorization: Bearer %s\r\nSallyport-Tunnel: %s\r\n\r\n" % (token, tunnel)
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (byte := self.sock.recv(1)):
                raise ConnectionError("closed by the server")
            head += byte
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head.split(b"\r\n")[0].decode())
        self.tunnel = next(h[18:] for h in head.split(b"\r\n") if h.lower().startswith(b"sallyport-tunnel: "))
        self.stream = b""
        self.seq = 0
        self.open_id = os.urandom(12)
        self.acknowledged = False

    # ---- what turn.Client wants of a socket --------------------------------------------------------

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def sendall(self, datagram):
        if self.acknowledged:
            self.sock.sendall(data_frame(FLOW_NUMBER, self.seq, datagram))
        else:
            attrs = [
                (SEQ, struct.pack("!I", self.seq)),
                (FLOW, struct.pack("!HH", FLOW_NUMBER, KIND_TURN)),
                (turn.XOR_MAPPED, turn.xor_addr(("127.0.0.1", 9), self.open_id)),
                (turn.DATA_ATTR, datagram),
            ]
            self.sock.sendall(control_frame(turn.build(OPEN, turn.REQUEST, self.open_id, attrs)))
        self.seq += 1

    def recv(self, _):
        """The next datagram of the flow."""
        while True:
            if packet := self._packet():
                (flow,) = struct.unpack_from("!H", packet)
                if flow == FLOW_NUMBER:
                    return packet[6:]
                if flow == 0 and packet[10:22] == self.open_id:
                    self.acknowledged = True

    def _packet(self):
        while len(self.stream) < 2 or len(self.stream) < 2 + struct.unpack_from("!H", self.stream)[0]:
            if not (got := self.sock.recv(65536)):
                raise ConnectionError("closed by the server")
            self.stream += got
        end = 2 + struct.unpack_from("!H", self.stream)[0]
        packet, self.stream = self.stream[2:end], self.stream[end:]
        return packet
