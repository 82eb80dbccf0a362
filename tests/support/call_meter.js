// SPDX-License-Identifier: GPL-2.0-or-later
//
// A worker that sees each encoded frame of voice and video the moment it has arrived (WebRTC encoded
// transform), lets it through as it is, and remembers for how long there was none. Statistics would be 50 ms
// old, and the page's own thread may be late. Times are milliseconds since 1970.
'use strict';

const GAP_MS = 75;      // voice comes every 20 ms, a picture at least every 50: anything longer is noted
const GAPS_MAX = 20000; // more than an hour of a bad call

const arrivals = {}; // by kind: { last, gaps: [[begin, end]] }
const clock = () => performance.timeOrigin + performance.now();

function note(kind) {
    const now = clock();
    const seen = arrivals[kind] ??= { last: now, gaps: [] };
    if (now - seen.last > GAP_MS && seen.gaps.length < GAPS_MAX)
        seen.gaps.push([seen.last, now]);
    seen.last = now;
}

self.onrtctransform = ({ transformer: { readable, writable, options } }) => {
    const transform = (frame, controller) => {
        note(options.kind);
        controller.enqueue(frame);
    };
    readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable);
};

self.onmessage = ({ ports: [port] }) => port.postMessage({ now: clock(), arrivals });
