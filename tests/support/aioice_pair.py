#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two ICE agents (aioice) that meet over TURN, and send each other datagrams.

    aioice_pair.py all|relay TARGET TARGET

TARGET is "udp:ADDR:PORT" or "tcp:…" of each agent's TURN server, which is also its STUN server by
UDP; the user is test:test. Prints

    candidate SIDE TYPE ADDR PORT        each candidate that an agent would publish
    reflexive ADDR PORT                  each XOR-MAPPED-ADDRESS that came: what a browser puts into
                                         candidates and raddr
    relayed ADDR PORT                    each XOR-RELAYED-ADDRESS
    done gather_ms=N connect_ms=N sent=N received=N

With "all", agents use their own addresses too; as they are on one host, they need no relay then.
"""

import asyncio
import sys
import time

import aioice
from aioice import stun, turn

DATAGRAMS = 200
PATIENCE_S = 15


def watch_messages():
    """Tells what each STUN message says that an agent reads."""
    told = set()
    parse = stun.parse_message

    def parse_and_tell(*args, **more):
        message = parse(*args, **more)
        for word, name in (("reflexive", "XOR-MAPPED-ADDRESS"), ("relayed", "XOR-RELAYED-ADDRESS")):
            line = (word, *message.attributes[name][:2]) if name in message.attributes else None
            if line and line not in told:
                told.add(line)
                print(*line)
        return message

    stun.parse_message = turn.stun.parse_message = parse_and_tell


def agent(target, controlling, policy):
    transport, host, port = target.split(":")
    return aioice.Connection(
        ice_controlling=controlling,
        stun_server=(host, int(port)) if transport == "udp" else None,
        turn_server=(host, int(port)),
        turn_username="test",
        turn_password="test",
        turn_transport=transport,
        transport_policy=policy,
    )


async def introduce(one, other):
    for candidate in one.local_candidates:
        await other.add_remote_candidate(candidate)
    await other.add_remote_candidate(None)
    other.remote_username, other.remote_password = one.local_username, one.local_password


async def talk(one, other):
    async def say():
        for i in range(DATAGRAMS):
            await one.send(b"%d of %d" % (i, DATAGRAMS))
            await asyncio.sleep(0.005)

    async def hear():
        received = set()
        while len(received) < DATAGRAMS:
            received.add(await other.recv())
        return received

    speaking = asyncio.ensure_future(say())
    try:
        return len(await asyncio.wait_for(hear(), PATIENCE_S))
    except asyncio.TimeoutError:
        return 0
    finally:
        await speaking


async def main():
    policy = aioice.TransportPolicy[sys.argv[1].upper()]
    a, b = agent(sys.argv[2], True, policy), agent(sys.argv[3], False, policy)
    begin = time.monotonic()
    await asyncio.gather(a.gather_candidates(), b.gather_candidates())
    gathered = time.monotonic()
    for side, connection in (("a", a), ("b", b)):
        for c in connection.local_candidates:
            print("candidate", side, c.type, c.host, c.port)
    await introduce(a, b)
    await introduce(b, a)
    await asyncio.wait_for(asyncio.gather(a.connect(), b.connect()), PATIENCE_S)
    connected = time.monotonic()
    received = sum(await asyncio.gather(talk(a, b), talk(b, a)))
    await asyncio.gather(a.close(), b.close())
    print(
        f"done gather_ms={(gathered - begin) * 1000:.0f}",
        f"connect_ms={(connected - gathered) * 1000:.0f}",
        f"sent={2 * DATAGRAMS} received={received}",
    )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    watch_messages()
    asyncio.run(main())
