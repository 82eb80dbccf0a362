#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// measured_call.mjs URL SECONDS MAX_KBPS POLICY ICE A-NETNS B-NETNS [SERVER A-TICKET B-TICKET]
//
// A call of two Chromium, each in its network namespace, and what getStats() says of it once a second. URL is
// measured.html as either finds it, MAX_KBPS what the congestion control may give to video, POLICY the
// iceTransportPolicy and ICE the iceServers of both; with tickets they meet by a session of that server, https://HOST.
// Both cameras show motion.mjs. Prints a line as each point is reached:
//
//     ready      both pages are there
//     started    each sees the other: from here on it counts
//     {…}        SECONDS later: { "version", "camera", "codec", "a": [SAMPLE…], "b": [SAMPLE…] }; measured_page.js
//                says what a sample is, and the first is of `started`
//     sent       that was it; the call goes on until SIGTERM
//
// Exit status: 0 when it was ended after `sent`; 1 before, or where the two did not see each other within 45 s,
// or a browser ended.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closePair, openPair } from './browser/pair.mjs';
import { MOTION } from './motion.mjs';

const START_MS = 45000, LOOK_MS = 100, SAMPLE_MS = 1000, CODEC = 'VP8';

const pause = ms => new Promise(resolve => { setTimeout(resolve, ms); });
const samplesOf = sides => Promise.all(sides.map(side => side.page.evaluate(() => callPage.sample())));

async function prepare(sides, dir, { url, ...setup }) {
    await openPair(sides, dir, { url, timeout: 60, onLost: side => tell(new Error(`browser ${side.id} has ended`)) });
    await Promise.all(sides.map(side =>
        side.page.evaluate(o => callPage.prepare(o), { ...setup, ticket: side.ticket })));
}

async function connect(sides) {
    await sides[0].page.evaluate(() => callPage.offer());
    for (const deadline = Date.now() + START_MS; ; await pause(LOOK_MS)) {
        const now = await samplesOf(sides);
        if (now.every(s => s.state === 'connected' && s.first_frame_ms !== undefined))
            return now;
        if (Date.now() > deadline)
            throw new Error(`the two did not see each other: a is ${now[0].state}, b is ${now[1].state}`);
    }
}

// A sample each second, at the times that were meant however long the one before took.
async function watch(sides, seconds, first) {
    const samples = first.map(sample => [sample]), begin = Date.now();
    for (let i = 1; i <= seconds; i++) {
        await pause(begin + i * SAMPLE_MS - Date.now());
        (await samplesOf(sides)).forEach((sample, side) => samples[side].push(sample));
    }
    return samples;
}

async function call(sides, dir, seconds, setup) {
    await prepare(sides, dir, { ...setup, ...MOTION, codec: CODEC });
    console.log('ready');
    const first = await connect(sides);
    console.log('started');
    const [a, b] = await watch(sides, seconds, first);
    console.log(JSON.stringify({ version: sides[0].version, camera: MOTION, codec: CODEC, a, b }));
    console.log('sent');
    finished = true;
}

const [url, seconds, max_kbps, iceTransportPolicy, ice, a, b, server, ...tickets] = process.argv.slice(2);
const sides = ['a', 'b'].map((id, i) =>
    ({ id, netns: [a, b][i], ticket: tickets[i], kind: 'chromium', args: [], camera: 'motion' }));
const setup = { url, max_kbps: Number(max_kbps), iceTransportPolicy, iceServers: JSON.parse(ice), server };
const dir = mkdtempSync(join(tmpdir(), 'sallyport-measured-'));
let tell, finished = false;
const told = new Promise((_, reject) => { tell = reject; });
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'])
    process.on(signal, () => tell(new Error(`ended by ${signal}`)));
try {
    await Promise.race([call(sides, dir, Number(seconds), setup), told]);
    await told;
} catch (error) {
    process.stderr.write(`measured_call.mjs: ${error.message}\n`);
    process.exitCode = finished ? 0 : 1;
} finally {
    tell = () => {};
    await closePair(sides);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
