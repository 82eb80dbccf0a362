#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// many_calls.mjs URL COUNT A-NETNS B-NETNS ICE_SERVERS
//
// So many calls at once between two Chromium, each a page at that URL (many.html) with a connection for each
// call. Waits until in each call both sides have seen 30 pictures and heard 100 packets of voice, at most two
// minutes, and prints how each stands as JSON: { "done": true, "a": […], "b": […] }.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closePair, openPair } from './browser/pair.mjs';

const ENOUGH = { frames: 30, audio_packets: 100 };
const LIMIT_MS = 120000, LOOK_MS = 1000;

const pause = ms => new Promise(resolve => { setTimeout(resolve, ms); });
const hasEnough = call => Object.entries(ENOUGH).every(([figure, least]) => call[figure] >= least);

async function talk(sides, count, iceServers) {
    await Promise.all(sides.map(side => side.page.evaluate(o => callPage.prepare(o), { count, iceServers })));
    await sides[0].page.evaluate(() => callPage.offer());
    for (const deadline = Date.now() + LIMIT_MS; ; await pause(LOOK_MS)) {
        const [a, b] = await Promise.all(sides.map(side => side.page.evaluate(() => callPage.report())));
        const ready = [a, b].map(calls => calls.filter(hasEnough).length);
        process.stderr.write(`enough seen and heard: by a in ${ready[0]} calls, by b in ${ready[1]}\n`);
        const done = ready.every(n => n === count);
        if (done || Date.now() > deadline)
            return { done, a, b };
    }
}

const [url, count, aNetns, bNetns, ice] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'sallyport-calls-'));
const sides = [['a', aNetns], ['b', bNetns]].map(([id, netns]) => ({ id, netns, kind: 'chromium', args: [] }));
let lost;
const told = new Promise((_, reject) => { lost = side => reject(new Error(`browser ${side.id} has ended`)); });
try {
    const call = async () => {
        await openPair(sides, dir, { url, timeout: 60, onLost: lost });
        return talk(sides, Number(count), JSON.parse(ice));
    };
    process.stdout.write(`${JSON.stringify(await Promise.race([call(), told]))}\n`);
} finally {
    await closePair(sides);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
