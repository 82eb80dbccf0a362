#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""media_vector.py CAPTURE up|down SECONDS LINES TEXT...

Makes a vector of tests/vectors/media out of what `tcpdump -i lo -w CAPTURE udp port 3478` recorded beside a
gateway: one direction, from the first media packet's moment (before it, the handshakes) for SECONDS, at most LINES.
Sizes, times, timestamps: no payload, no address. Which payload types are voice: VOICE. TEXT goes to its head."""

import struct
import sys

VOICE = {0, 8, 9, 13, 63, 109, 111}  # PCMU, PCMA, G722, comfort noise, RED and Opus as browsers number them
OVER_ETHERNET_IP = 14


def datagrams(path):
    """Microseconds, whether it goes to the gateway, and the datagram."""
    with open(path, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        seconds, us, size, _ = struct.unpack_from("<IIII", data, at)
        ip = data[at + 16 + OVER_ETHERNET_IP:at + 16 + size]
        at += 16 + size
        udp = ip[(ip[0] & 15) * 4:]
        _, to, length = struct.unpack_from(">HHH", udp)
        yield seconds * 1000000 + us, to == 3478, udp[8:length]


def inside(datagram):
    """What a ChannelData message or a Send or Data indication holds; None for other TURN messages."""
    if datagram[0] & 0xC0 == 0x40:
        return datagram[4:4 + struct.unpack_from(">H", datagram, 2)[0]]
    if struct.unpack_from(">H", datagram)[0] in (0x16, 0x17):
        at = 20
        while at + 4 <= len(datagram):
            kind, size = struct.unpack_from(">HH", datagram, at)
            if kind == 0x13:
                return datagram[at + 4:at + 4 + size]
            at += 4 + (size + 3 & ~3)
    return None


class Tracks:
    """Names for SSRCs, and each one's last sequence number and timestamp."""

    def __init__(self):
        self.known = {}

    def line(self, packet):
        seq, ts, ssrc = struct.unpack_from(">HII", packet, 2)
        name, last_seq, last_ts = self.known.get(ssrc, (chr(ord("A") + len(self.known)), seq - 1, ts))
        self.known[ssrc] = name, seq, ts
        ticks = (ts - last_ts + 2**31) % 2**32 - 2**31
        step = (seq - last_seq + 2**15) % 2**16 - 2**15
        kind = "padding" if packet[0] & 0x20 else "voice" if packet[1] & 127 in VOICE else "video"
        return f"{kind} {len(packet)} {name} {ticks}" + ("" if step == 1 else f" {step}")


def other(packet):
    first = packet[0]
    if first >= 128:
        return f"rtcp {len(packet)} {packet[:4].hex()}"
    if first < 20:
        return f"control {len(packet)} {packet[:8].hex()}"
    # DTLS: up to 1.2 the first byte is the content type, in 1.3 its last two bits are the epoch's.
    data = first == 23 or (first >= 32 and first & 3 == 3)
    return f"{'data' if data else 'control'} {len(packet)} {packet[:1].hex()}"


def main():
    path, direction, seconds, lines, *text = sys.argv[1:]
    tracks, out, last, media = Tracks(), [], None, None
    for us, up, datagram in datagrams(path):
        packet = inside(datagram) if up == (direction == "up") else None
        if not packet:
            continue
        is_rtp = 128 <= packet[0] < 192 and not 192 <= packet[1] < 224
        media = media or (us if is_rtp else None)
        if len(out) == int(lines) or (media and us > media + float(seconds) * 1e6):
            break
        out.append(f"{us - (last or us)} {tracks.line(packet) if is_rtp else other(packet)}")
        last = us
    print(*(f"# {line}" for line in text), *out, sep="\n")


if __name__ == "__main__":
    main()
