#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a port answers to exactly these bytes.

    raw.py [--last] [--slow BYTES_PER_S] [--each] tcp|tls ADDR PORT [SECONDS] <BYTES

Sends standard input, prints what comes back, and then, on a line of its own, whether the server
"closed" the connection, "reset" it, or left it "open". Certificates are not verified.

However slow the server is, it is waited for: when each request has its answer and none says that it is the last, one more
page is asked for, whose answer is not printed; it tells whether the connection was open. Where what is said is no HTTP,
one is open that says nothing more for a second; with SECONDS, that says nothing for so long, from the start.

  --last          says that this was all (close_notify and FIN), in one piece with what was said
  --slow N        reads about N bytes a second, and prints how many there were instead of what
  --each          each text that ends with a NUL goes by a connection of its own; a NUL ends its answer
"""

import argparse
import re
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


PATIENCE_S = 20  # with what has to come
SILENCE_S = 1  # after what may have been all
ONE_MORE = b"HEAD /one-more HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"
HEAD_ALONE = re.compile(rb"HTTP/1\.1 \d\d\d [^\r\n]*\r\n(?:[^\r\n]+\r\n)+\r\n")


def answer_length(said, has_body):
    """Of the first HTTP answer: 0 if it is not whole; None: that can't be told, or it is no HTTP."""
    head, end, _ = said.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d\d\d) ", said)
    if not status or status[1] == b"101":
        return None
    if not end:
        return 0
    length = re.search(rb"\r\nContent-Length: *(\d+)", head, re.I)
    whole = len(head) + 4
    if has_body and status[1][:1] != b"1" and status[1] not in (b"204", b"304"):
        if not length:
            return None
        whole += int(length[1])
    return whole if len(said) >= whole else 0


def what_now(asked, said):
    """"wait" for what has to come, "ask" for more, or "listen", since what was said may have been all."""
    missing = max(1, len(re.findall(rb" HTTP/\d\.\d\r\n", asked)))
    while said:
        length = answer_length(said, has_body=not asked.startswith(b"HEAD "))
        if not length:
            return "listen" if length is None else "wait"
        head, said = said[:length].lower(), said[length:]
        if head.startswith(b"http/1.1 1"):
            if not said:
                return "listen"  # whoever asked has to go on
        elif b"\r\nconnection: close\r\n" in head:
            return "listen" if said else "wait"
        else:
            missing -= 1
    return "wait" if missing > 0 else "ask"


def talk(sock, kind, asked, last, patience_s):
    """What is said, and how it ends."""
    said, told = b"", None
    try:
        conn = kind(sock)
        conn.say(asked, last)
        while True:
            now = "wait" if told is not None or last else what_now(asked, said)
            if now == "ask" and patience_s is None:
                told = len(said)
                conn.say(ONE_MORE, False)
            sock.settimeout(patience_s or (SILENCE_S if now == "listen" else PATIENCE_S))
            got = conn.hear(65536)
            if not got:
                break
            said += got
    except TimeoutError:
        return said, "open"
    except (ConnectionResetError, BrokenPipeError):
        return said, "reset"
    except ssl.SSLError as error:
        return said, error.reason
    if told is not None and HEAD_ALONE.fullmatch(said, told):
        return said[:told], "open"
    return said, "closed"


def read_slowly(sock, kind, asked, args):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.settimeout(args.patience_s or PATIENCE_S)
    conn = kind(sock)
    total, began = 0, time.monotonic()
    conn.say(asked, args.last)
    while got := conn.hear(4096):
        total += len(got)
        time.sleep(max(0.0, total / args.slow - (time.monotonic() - began)))
    return total


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--slow", type=float)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("kind", choices=["tcp", "tls"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("patience_s", type=float, nargs="?")
    args = parser.parse_args()
    kind = Tls if args.kind == "tls" else Plain
    asked = sys.stdin.buffer.read()
    for text in asked.split(b"\0")[:-1] if args.each else [asked]:
        with socket.create_connection((args.address, args.port), timeout=PATIENCE_S) as sock:
            if args.slow:
                said, end = b"%d" % read_slowly(sock, kind, text, args), "closed"
            else:
                said, end = talk(sock, kind, text, args.last, args.patience_s)
        sys.stdout.buffer.write(said + f"\n{end}\n".encode() + (b"\0" if args.each else b""))


if __name__ == "__main__":
    main()
