#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An ordinary web server behind another one: tells what it was asked.

    web.py PORT

GET /bytes/N answers N zeros; a POST, how much it got; anything else, the request's head. The answers hold
nothing that differs from one connection to the next but Date.
"""

import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/bytes/"):
            self.answer(bytes(int(self.path[7:])))
        else:
            self.answer(f"{self.requestline}\n{self.headers}".encode())

    do_HEAD = do_GET

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        got = len(self.rfile.read(length))
        self.answer(f"{self.requestline}\n{self.headers}{got} bytes\n".encode())

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 100


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
