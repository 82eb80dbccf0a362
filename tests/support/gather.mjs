#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// gather.mjs NETNS ICE_SERVERS
//
// What a page learns and would publish: all candidates that a Chromium in that namespace gathers for a data
// channel, without leave to use camera or microphone, as one JSON object on standard output.

import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIMIT_MS = 20000;
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
];

// Runs in the page.
async function gather({ iceServers, limit }) {
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

const [netns, ice] = process.argv.slice(2);
const { chromium } = createRequire(new URL('../e2e/package.json', import.meta.url))('playwright-core');
const dir = mkdtempSync(join(tmpdir(), 'sallyport-gather-'));
let browser;
try {
    const launcher = join(dir, 'chromium');
    writeFileSync(launcher, `#!/bin/sh\nexec ip netns exec '${netns}' /usr/bin/chromium "$@"\n`, { mode: 0o755 });
    browser = await chromium.launch({ executablePath: launcher, args: FLAGS, env: { ...process.env, HOME: dir, TMPDIR: dir } });
    const page = await browser.newPage();
    await page.route('**/*', route => route.fulfill({ contentType: 'text/html', body: '<title>gather</title>' }));
    await page.goto('https://app.test/');
    const result = await page.evaluate(gather, { iceServers: JSON.parse(ice), limit: LIMIT_MS });
    process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
    await browser?.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
