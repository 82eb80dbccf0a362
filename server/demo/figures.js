// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a peer connection's statistics say of the call: round trip, loss, and rates. Knows no page.

const sum = (all, name) => all.reduce((total, s) => total + (s[name] ?? 0), 0);

/** What is counted from the beginning, at a moment (ms). */
export function totals(stats, at) {
    const all = [...stats.values()];
    const ofType = (type) => all.filter((s) => s.type === type);
    const inbound = ofType('inbound-rtp');
    const outbound = ofType('outbound-rtp');
    const selected = ofType('transport').find((s) => s.selectedCandidatePairId)?.selectedCandidatePairId;
    const pair = all.find((s) => s.id === selected) ??
        ofType('candidate-pair').find((s) => s.nominated && s.state === 'succeeded');
    const reported = ofType('remote-inbound-rtp').map((s) => s.roundTripTime).filter((s) => s > 0);
    return {
        at,
        rtt: pair?.currentRoundTripTime ?? (reported.length > 0 ? Math.min(...reported) : undefined),
        received: sum(inbound, 'packetsReceived'),
        lost: sum(inbound, 'packetsLost'),
        bytesIn: sum(inbound, 'bytesReceived') + sum(inbound, 'headerBytesReceived'),
        bytesOut: sum(outbound, 'bytesSent') + sum(outbound, 'headerBytesSent'),
    };
}

/** Between two moments: round trip in ms, loss in %, Mbit/s; undefined where it can't be said. */
export function between(before, now) {
    const s = (now.at - before.at) / 1000;
    const lost = Math.max(0, now.lost - before.lost);
    const all = now.received - before.received + lost;
    const rate = (a, b) => (s > 0 && b >= a ? ((b - a) * 8) / s / 1e6 : undefined);
    return {
        rtt: now.rtt === undefined ? undefined : now.rtt * 1000,
        loss: all > 0 ? (100 * lost) / all : undefined,
        in: rate(before.bytesIn, now.bytesIn),
        out: rate(before.bytesOut, now.bytesOut),
    };
}

/** As it is shown. */
export function shown(value, digits) {
    return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
}
