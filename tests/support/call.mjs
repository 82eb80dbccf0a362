#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// A real video call between two browsers, each in a network namespace of its own if asked, and what came of
// it as one JSON object on standard output. The pages are call.html; this program starts the browsers,
// carries the signalling from one page to the other, waits, measures, and always closes the browsers.
//
// Two sides, a and b; a calls. Everything that differs between them is in one object a side.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { KINDS, SMALL_VIEW } from './browser/browser.mjs';
import { closePair, openPair } from './browser/pair.mjs';

const USAGE = `Usage: call.mjs --url URL [OPTION]...

  --url URL        where the two find call.html (page_server.mjs serves it)
  --a-browser B, --b-browser B        ${KINDS.join(' or ')} (default: chromium)
  --a-netns NAME, --b-netns NAME      where each browser runs (default: here)
  --a-ice JSON, --b-ice JSON          iceServers: a list, or an object that has one (default: none)
  --a-policy P, --b-policy P          iceTransportPolicy: all or relay (default: all)
  --a-name TEXT, --b-name TEXT        what the pages call them
  --a-arg ARG, --b-arg ARG            one more argument for that browser, repeatable
  --seconds N      how long the call lasts once it is connected (default: 10)
  --frames N       it lasts longer, if need be, until both have seen that many (default: 50)
  --timeout N      how long it may take to connect and to see the first picture; and then, the others (default: 60)
  --png FILE       a screenshot of a's page at the end
  --json FILE      the result goes there and not to standard output
  --no-trickle     descriptions wait for all candidates
  --keep           then stay in the call until SIGTERM
  --orders         watch each frame's arrival and restart ICE when the connection is lost; the call lasts until
                   standard input says so, by orders of a line each, obeyed one after the other:
                     mark NAME      notes a moment
                     report FILE    writes how long media was away since each mark (JSON)
                     frames N       waits until both have seen N more
                     restart a|b    that side restarts ICE; waits until both sides use other addresses
                     figures FILE   writes how both stand (JSON)
                     end            ends the call

Exit status: 0 both sides saw each other, 1 they did not (the JSON says how far it came), 2 wrong use.
`;

const VIDEO = { width: 640, height: 480 };

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
    const kind = values[`${id}-browser`];
    if (!KINDS.includes(kind))
        throw new Wrong(`--${id}-browser ${kind}: ${KINDS.join(' or ')}`);
    return {
        id, kind, netns: values[`${id}-netns`], name: values[`${id}-name`], iceTransportPolicy: policy,
        iceServers: parseIce(`${id}-ice`, values[`${id}-ice`]), args: values[`${id}-arg`],
    };
}

function parseOptions(argv) {
    const text = fallback => ({ type: 'string', default: fallback });
    const options = {
        seconds: text('10'), frames: text('50'), timeout: text('60'), png: { type: 'string' }, json: { type: 'string' },
        keep: { type: 'boolean' }, orders: { type: 'boolean' }, url: { type: 'string' },
        'no-trickle': { type: 'boolean' }, help: { type: 'boolean' },
    };
    for (const id of ['a', 'b']) {
        options[`${id}-browser`] = text('chromium');
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
    for (const name of ['seconds', 'frames', 'timeout']) {
        if (!(Number(values[name]) > 0))
            throw new Wrong(`--${name} ${values[name]}: a number above 0`);
    }
    if (!URL.canParse(values.url))
        throw new Wrong('--url: the URL of call.html');
    return {
        ...values, seconds: Number(values.seconds), frames: Number(values.frames), timeout: Number(values.timeout),
        sides: [parseSide(values, 'a'), parseSide(values, 'b')],
    };
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

async function holdCall(sides, { seconds, frames, timeout }) {
    const end = Date.now() + seconds * 1000, deadline = end + timeout * 1000;
    for (let enough = false; Date.now() < end || (!enough && Date.now() < deadline);) {
        await pause(Math.min(2000, Math.max(500, end - Date.now())));
        const reports = await Promise.all(sides.map(reportOf));
        const [{ video, pair }] = reports;
        enough = reports.every(report => report.video.frames_decoded >= frames);
        say(`a: ${video.frames_decoded} frames, ${Math.round(video.frames_per_second ?? 0)} a second, ` +
            `round trip ${pair?.rtt_ms.toFixed(1)} ms, lost ${video.packets_lost} of ${video.packets_received}`);
    }
}

async function figures(sides) {
    const [a, b] = await Promise.all(sides.map(reportOf));
    return { a, b };
}

async function seeMore(sides, more, timeout) {
    const frames = async () => (await Promise.all(sides.map(reportOf))).map(report => report.video.frames_decoded);
    const before = await frames();
    for (const deadline = Date.now() + timeout * 1000; Date.now() < deadline; await pause(100)) {
        const now = await frames();
        if (now.every((n, i) => n >= before[i] + more))
            return;
    }
    throw new Error(`frames ${more}: they did not come within ${timeout} s`);
}

// Both sides gather anew, so that it is over when neither uses the pair of candidates it had before.
async function restartIce(sides, id, timeout) {
    const starter = sides.find(side => side.id === id);
    if (!starter)
        throw new Error(`'restart ${id}': a or b`);
    const ports = async () => (await Promise.all(sides.map(reportOf))).map(r => r.pair && [r.pair.local.port, r.state]);
    const before = await ports();
    await starter.page.evaluate(() => callPage.offer({ iceRestart: true }));
    for (const deadline = Date.now() + timeout * 1000; Date.now() < deadline; await pause(100)) {
        const now = await ports();
        if (now.every((side, i) => side && side[0] !== before[i][0] && side[1] === 'connected'))
            return;
    }
    throw new Error(`restart ${id}: the call goes by the same addresses after ${timeout} s`);
}

// Orders from standard input, one a line, each done before the next one is read. See USAGE.
async function takeOrders(sides, timeout) {
    const obey = {
        frames: more => seeMore(sides, Number(more), timeout),
        figures: async file => writeResult(await figures(sides), file),
        restart: id => restartIce(sides, id, timeout),
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
    await openPair(sides, dir, { ...options, view: options.png ? undefined : SMALL_VIEW });
    await Promise.all([[a, b], [b, a]].map(([side, peer]) => side.page.evaluate(o => callPage.prepare(o), {
        name: side.name, peerName: peer.name, iceServers: side.iceServers, iceTransportPolicy: side.iceTransportPolicy,
        watch: options.orders, noTrickle: options['no-trickle'], ...VIDEO,
    })));
    say('calling');
    await a.page.evaluate(() => callPage.offer());
    let reports = await waitUntilUp(sides, options.timeout);
    const connected = reports.every(isUp);
    if (connected) {
        say(`connected in ${reports[0].connect_ms} ms, first picture after ${reports[0].first_frame_ms} ms`);
        await (options.orders ? takeOrders(sides, options.timeout) : holdCall(sides, options));
        reports = await Promise.all(sides.map(reportOf));
    }
    if (options.png)
        await a.page.screenshot(options.png);
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
        await closePair(options.sides);
        rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    }
    process.exit(status);
}

main().catch(error => {
    say(`call.mjs: ${error.message}${error instanceof Wrong ? ' (--help says more)' : ''}`);
    process.exit(error instanceof Wrong ? 2 : 1);
});
