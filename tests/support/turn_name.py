#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An allocation by UDP for a user with a name of any kind, which outlives this program.

    turn_name.py ADDR PORT SECRET NAME

The credentials are time-limited ones, made from the shared secret. One datagram goes to a peer without a
permission, and so nowhere. Prints the username.
"""

import base64
import hashlib
import hmac
import os
import sys
import time

import turn

address, port, secret, name = sys.argv[1:]
username = f"{int(time.time()) + 600}:{name}"
password = base64.b64encode(hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()).decode()
client = turn.Client(turn.connect(f"udp:{address}:{port}"), False, username, password)
client.allocate()
tid = os.urandom(12)
peer = (turn.XOR_PEER, turn.xor_addr(("203.0.113.9", 9), tid))
client.sock.sendall(turn.build(turn.SEND, turn.INDICATION, tid, [peer, (turn.DATA_ATTR, b"data")]))
client.refresh()  # behind it, so that it has been heard
print(username)
