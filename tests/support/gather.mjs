#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// gather.mjs [--camera] chromium|firefox NETNS URL ICE_SERVERS [BROWSER-ARGUMENT...]
//
// What the page at that URL learns and would publish: all candidates that a browser in that namespace
// gathers for a data channel, as one JSON object on standard output. Without leave to use camera or
// microphone; or, with --camera, while it does.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from './browser/browser.mjs';

const LIMIT_MS = 20000;

// Runs in the page.
async function gather({ iceServers, limit, camera }) {
    if (camera)
        window.stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const pc = new RTCPeerConnection({ iceServers });
    const began = performance.now(), candidates = [];
    pc.createDataChannel('x');
    const done = new Promise(resolve => {
        pc.onicecandidate = ({ candidate }) => (candidate ? candidates.push(candidate.toJSON()) : resolve(true));
        setTimeout(() => resolve(false), limit);
    });
    await pc.setLocalDescription();
    const complete = await done;
    return { complete, gathered_ms: performance.now() - began, candidates, sdp: pc.localDescription.sdp };
}

const given = process.argv.slice(2);
const camera = given[0] === '--camera';
const [kind, netns, url, ice, ...args] = given.slice(camera ? 1 : 0);
const dir = mkdtempSync(join(tmpdir(), 'sallyport-gather-'));
let browser;
try {
    browser = new Browser({ kind, netns, args, media: camera, dir: join(dir, 'home') });
    await browser.launch();
    await browser.goto(url);
    const result = await browser.evaluate(gather, { iceServers: JSON.parse(ice), limit: LIMIT_MS, camera });
    process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
    await browser?.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
