#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a port answers to exactly these bytes.

    raw.py tcp|tls ADDR PORT [SECONDS] <BYTES

Sends standard input, prints what comes back, and then, on a line of its own, whether the server
"closed" the connection, "reset" it, or left it "open" after SECONDS (0.3) without a word. Certificates
are not verified.
"""

import socket
import ssl
import sys


def connect(kind, address, port):
    sock = socket.create_connection((address, port), timeout=5)
    if kind == "tcp":
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock, server_hostname="edge.test")


def main():
    patience_s = float(sys.argv[4]) if len(sys.argv) > 4 else 0.3
    end = "closed"
    with connect(sys.argv[1], sys.argv[2], int(sys.argv[3])) as sock:
        sock.settimeout(patience_s)
        try:
            sock.sendall(sys.stdin.buffer.read())
            while got := sock.recv(65536):
                sys.stdout.buffer.write(got)
        except TimeoutError:
            end = "open"
        except (ConnectionResetError, BrokenPipeError):
            end = "reset"
        except ssl.SSLError as error:
            end = error.reason
    sys.stdout.buffer.write(f"\n{end}\n".encode())


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main()
