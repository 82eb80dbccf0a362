#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// A real video call between two Chromium, each in a network namespace of its own if asked, and what came of
// it as one JSON object on standard output. The pages are call.html; this program starts the browsers,
// carries the signalling from one page to the other, waits, measures, and always closes the browsers.
//
// Two sides, a and b; a calls. Everything that differs between them is in one object a side.

import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { writePortrait } from './portrait.mjs';

const USAGE = `Usage: call.mjs [OPTION]...

  --a-netns NAME, --b-netns NAME      where each browser runs (default: here)
  --a-ice JSON, --b-ice JSON          iceServers: a list, or an object that has one (default: none)
  --a-policy P, --b-policy P          iceTransportPolicy: all or relay (default: all)
  --a-name TEXT, --b-name TEXT        what the pages call them
  --a-arg ARG, --b-arg ARG            one more argument for that Chromium, repeatable
  --seconds N      how long the call lasts once it is connected (default: 10)
  --timeout N      how long it may take to connect, and to the first picture (default: 30)
  --png FILE       a screenshot of a's page at the end
  --json FILE      the result goes there and not to standard output
  --keep           then stay in the call until SIGTERM
  --orders         watch each frame's arrival and restart ICE when the connection is lost; the call lasts until
                   standard input says so: 'mark NAME' notes a moment, 'report FILE' writes how long media was
                   away since each mark (JSON), 'end' ends it
  --chromium FILE  (default: /usr/bin/chromium)

Exit status: 0 both sides saw each other, 1 they did not (the JSON says how far it came), 2 wrong use.
`;

const ORIGIN = 'https://app.test/';
const PAGES = {
    '/': ['call.html', 'text/html'],
    '/call_page.js': ['call_page.js', 'text/javascript'],
    '/call_meter.js': ['call_meter.js', 'text/javascript'],
};
const VIEW = { width: 1280, height: 800 };
const VIDEO = { width: 640, height: 480 };
const CLOSE_MS = 5000;
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream', '--ignore-certificate-errors',
];

class Wrong extends Error {}

const say = text => process.stderr.write(`${text}\n`);
const pause = ms => new Promise(resolve => { setTimeout(resolve, ms); });

// ---- options -----------------------------------------------------------------------------------------

function parseIce(option, text) {
    try {
        const given = JSON.parse(text);
        const list = Array.isArray(given) ? given : given.iceServers ?? [given];
        if (list.every(server => server.urls))
            return list;
    } catch {
        // The same answer as for JSON that is something else.
    }
    throw new Wrong(`--${option}: not a list of iceServers in JSON`);
}

function parseSide(values, id) {
    const policy = values[`${id}-policy`];
    if (policy !== 'all' && policy !== 'relay')
        throw new Wrong(`--${id}-policy ${policy}: all or relay`);
    return {
        id, netns: values[`${id}-netns`], name: values[`${id}-name`], iceTransportPolicy: policy,
        iceServers: parseIce(`${id}-ice`, values[`${id}-ice`]), args: values[`${id}-arg`],
    };
}

function parseOptions(argv) {
    const text = fallback => ({ type: 'string', default: fallback });
    const options = {
        seconds: text('10'), timeout: text('30'), png: { type: 'string' }, json: { type: 'string' },
        keep: { type: 'boolean' }, orders: { type: 'boolean' }, chromium: text('/usr/bin/chromium'), help: { type: 'boolean' },
    };
    for (const id of ['a', 'b']) {
        options[`${id}-netns`] = { type: 'string' };
        options[`${id}-ice`] = text('[]');
        options[`${id}-policy`] = text('all');
        options[`${id}-name`] = text(id === 'a' ? 'Ana' : 'Dr. Ben');
        options[`${id}-arg`] = { type: 'string', multiple: true, default: [] };
    }
    let values;
    try {
        ({ values } = parseArgs({ args: argv, options, strict: true }));
    } catch (error) {
        throw new Wrong(error.message);
    }
    for (const name of ['seconds', 'timeout']) {
        if (!(Number(values[name]) > 0))
            throw new Wrong(`--${name} ${values[name]}: a number of seconds above 0`);
    }
    return {
        ...values, seconds: Number(values.seconds), timeout: Number(values.timeout),
        sides: [parseSide(values, 'a'), parseSide(values, 'b')],
    };
}

// ---- browsers ----------------------------------------------------------------------------------------

// The control pipe of a browser does not care for namespaces, so a wrapper is all it takes.
function writeLauncher(side, chromium, dir) {
    const path = join(dir, `chromium-${side.id}`);
    const enter = side.netns ? `ip netns exec '${side.netns}' ` : '';
    writeFileSync(path, `#!/bin/sh\nexec ${enter}'${chromium}' "$@"\n`, { mode: 0o755 });
    return path;
}

async function openBrowser(side, options, dir) {
    const { chromium } = createRequire(new URL('../e2e/package.json', import.meta.url))('playwright-core');
    const camera = join(dir, `${side.id}.y4m`);
    await writePortrait(camera, side.id === 'a' ? 'ana' : 'ben');
    side.browser = await chromium.launch({
        executablePath: writeLauncher(side, options.chromium, dir),
        args: [...FLAGS, `--use-file-for-fake-video-capture=${camera}`, ...side.args],
        env: { ...process.env, HOME: dir, TMPDIR: dir },
        handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
        timeout: options.timeout * 1000,
    });
    side.browser.on('disconnected', () => options.onLost(side));
    say(`browser ${side.id}: Chromium ${side.browser.version()}${side.netns ? ` in ${side.netns}` : ''}`);
}

async function openPage(side, peer) {
    const context = await side.browser.newContext({ viewport: VIEW, ignoreHTTPSErrors: true });
    await context.grantPermissions(['camera', 'microphone'], { origin: ORIGIN });
    side.page = await context.newPage();
    side.page.on('pageerror', error => say(`page ${side.id}: ${error.message}`));
    await side.page.route('**/*', route => {
        const [file, contentType] = PAGES[new URL(route.request().url()).pathname] ?? [];
        if (!file)
            return route.fulfill({ status: 404, body: '' });
        return route.fulfill({ contentType, body: readFileSync(new URL(file, import.meta.url)) });
    });
    await side.page.exposeFunction('signal', message => peer.inbox(message));
    await side.page.goto(ORIGIN);
}

// What a page says reaches the other in the order in which it was said: a candidate may not overtake the
// description that it belongs to.
function makeInbox(side) {
    let before = Promise.resolve();
    side.inbox = message => {
        before = before
            .then(() => side.page.evaluate(m => callPage.receive(m), message))
            .catch(error => say(`page ${side.id}: ${error.message.split('\n')[0]}`));
    };
}

async function closeBrowsers(sides) {
    const closing = sides.filter(side => side.browser).map(side => side.browser.close().catch(() => {}));
    await Promise.race([Promise.all(closing), pause(CLOSE_MS)]);
}

// ---- the call ----------------------------------------------------------------------------------------

const reportOf = side => side.page.evaluate(() => callPage.report());
const isUp = report => report.state === 'connected' && report.first_frame_ms !== undefined;

// Until both sides are connected and see each other; the reports of that moment, or of the moment when it
// was clear that it won't be.
async function waitUntilUp(sides, timeout) {
    const deadline = Date.now() + timeout * 1000;
    for (;;) {
        const reports = await Promise.all(sides.map(reportOf));
        if (reports.every(isUp) || reports.some(r => r.state === 'failed') || Date.now() > deadline)
            return reports;
        await pause(100);
    }
}

async function holdCall(sides, seconds) {
    const end = Date.now() + seconds * 1000;
    while (Date.now() < end) {
        await pause(Math.min(2000, Math.max(0, end - Date.now())));
        const [{ video, pair }] = await Promise.all(sides.map(reportOf));
        say(`a: ${video.frames_decoded} frames, ${Math.round(video.frames_per_second ?? 0)} a second, ` +
            `round trip ${pair?.rtt_ms.toFixed(1)} ms, lost ${video.packets_lost} of ${video.packets_received}`);
    }
}

// Orders from standard input, one a line, each done before the next one is read. See USAGE.
async function takeOrders(sides) {
    const obey = {
        mark: name => Promise.all(sides.map(side => side.page.evaluate(([n, at]) => callPage.mark(n, at), [name, Date.now()]))),
        report: async file => writeResult(await watched(sides), file),
    };
    for await (const line of createInterface({ input: process.stdin })) {
        const [order, ...rest] = line.split(' ');
        if (order === 'end')
            return;
        if (!obey[order])
            throw new Error(`'${line}': an order is one of ${Object.keys(obey).join(', ')}, end`);
        await obey[order](rest.join(' '));
    }
}

async function watched(sides) {
    const [a, b] = await Promise.all(sides.map(side => side.page.evaluate(() => callPage.watched())));
    return { a, b };
}

async function call(options, dir) {
    const { sides } = options, [a, b] = sides;
    sides.forEach(makeInbox);
    await Promise.all(sides.map(side => openBrowser(side, options, dir)));
    await Promise.all([openPage(a, b), openPage(b, a)]);
    await Promise.all([[a, b], [b, a]].map(([side, peer]) => side.page.evaluate(o => callPage.prepare(o), {
        name: side.name, peerName: peer.name, iceServers: side.iceServers, iceTransportPolicy: side.iceTransportPolicy,
        watch: options.orders, ...VIDEO,
    })));
    say('calling');
    await a.page.evaluate(() => callPage.offer());
    let reports = await waitUntilUp(sides, options.timeout);
    const connected = reports.every(isUp);
    if (connected) {
        say(`connected in ${reports[0].connect_ms} ms, first picture after ${reports[0].first_frame_ms} ms`);
        await (options.orders ? takeOrders(sides) : holdCall(sides, options.seconds));
        reports = await Promise.all(sides.map(reportOf));
    }
    if (options.png)
        await a.page.screenshot({ path: options.png });
    return { connected, seconds: options.seconds, a: reports[0], b: reports[1] };
}

function explain({ a, b }) {
    const side = (id, r) => `${id}: ${r.state}, ICE ${r.ice_state}, ${r.candidates.length} candidates` +
        (r.first_frame_ms === undefined ? ', no picture' : '') +
        r.candidateErrors.map(e => `; ${e.url}: ${e.errorCode} ${e.errorText}`).join('');
    return `the two did not see each other (${side('a', a)}) (${side('b', b)})`;
}

function writeResult(result, file) {
    const text = `${JSON.stringify(result)}\n`;
    if (!file)
        return void process.stdout.write(text);
    // Who waits for the file shall never see half of it.
    writeFileSync(`${file}.part`, text);
    renameSync(`${file}.part`, file);
}

async function main() {
    const argv = process.argv.slice(2);
    if (argv.includes('--help'))
        return void process.stdout.write(USAGE);
    const options = parseOptions(argv);
    const dir = mkdtempSync(join(tmpdir(), 'sallyport-call-'));
    let status = 1;
    const told = new Promise((_, reject) => {
        for (const [signal, number] of [['SIGHUP', 1], ['SIGINT', 2], ['SIGTERM', 15]])
            process.on(signal, () => { status = 128 + number; reject(new Error(`ended by ${signal}`)); });
        options.onLost = side => { status = 1; reject(new Error(`browser ${side.id} has ended`)); };
    });
    try {
        const result = await Promise.race([call(options, dir), told]);
        writeResult(result, options.json);
        if (!result.connected)
            throw new Error(explain(result));
        status = 0;
        if (options.keep)
            await told;
    } catch (error) {
        say(`call.mjs: ${error.message}`);
    } finally {
        options.onLost = () => {};
        await closeBrowsers(options.sides);
        rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    }
    process.exit(status);
}

main().catch(error => {
    say(`call.mjs: ${error.message}${error instanceof Wrong ? ' (--help says more)' : ''}`);
    process.exit(error instanceof Wrong ? 2 : 1);
});
