#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a port answers to exactly these bytes.

    raw.py [--last] [--slow BYTES_PER_S] tcp|tls ADDR PORT [SECONDS] <BYTES

Sends standard input, prints what comes back, and then, on a line of its own, whether the server
"closed" the connection, "reset" it, or left it "open" after SECONDS (0.3) without a word. Certificates
are not verified.

  --last          says that this was all (close_notify and FIN), in one piece with what was said
  --slow N        reads about N bytes a second, and prints how many it got instead of what
"""

import argparse
import socket
import ssl
import sys
import time


class Tls:
    """TLS in memory, so that we say what goes into one piece."""

    def __init__(self, sock):
        self.sock, self.come, self.gone = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.tls = context.wrap_bio(self.come, self.gone, server_hostname="edge.test")
        self.again(self.tls.do_handshake)

    def again(self, call, *args):
        """Calls until it needs no more of what the server says."""
        while True:
            try:
                result = call(*args)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                got = self.sock.recv(65536)
                if got:
                    self.come.write(got)
                else:
                    self.come.write_eof()

    def flush(self):
        if self.gone.pending:
            self.sock.sendall(self.gone.read())

    def say(self, data, last):
        self.tls.write(data)
        if last:
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                pass
        self.flush()
        if last:
            self.sock.shutdown(socket.SHUT_WR)

    def hear(self, most):
        try:
            return self.again(self.tls.read, most)
        except ssl.SSLZeroReturnError:
            return b""


class Plain:
    def __init__(self, sock):
        self.sock = sock

    def say(self, data, last):
        self.sock.sendall(data)
        if last:
            self.sock.shutdown(socket.SHUT_WR)

    def hear(self, most):
        return self.sock.recv(most)


def read_slowly(conn, per_second):
    total, began = 0, time.monotonic()
    while got := conn.hear(4096):
        total += len(got)
        time.sleep(max(0.0, total / per_second - (time.monotonic() - began)))
    return total


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--slow", type=float)
    parser.add_argument("kind", choices=["tcp", "tls"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("patience_s", type=float, nargs="?", default=0.3)
    args = parser.parse_args()
    end = "closed"
    with socket.create_connection((args.address, args.port), timeout=5) as sock:
        if args.slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        try:
            conn = Tls(sock) if args.kind == "tls" else Plain(sock)
            sock.settimeout(args.patience_s)
            conn.say(sys.stdin.buffer.read(), args.last)
            if args.slow:
                sys.stdout.buffer.write(b"%d" % read_slowly(conn, args.slow))
            else:
                while got := conn.hear(65536):
                    sys.stdout.buffer.write(got)
        except TimeoutError:
            end = "open"
        except (ConnectionResetError, BrokenPipeError):
            end = "reset"
        except ssl.SSLError as error:
            end = error.reason
    sys.stdout.buffer.write(f"\n{end}\n".encode())


if __name__ == "__main__":
    main()
