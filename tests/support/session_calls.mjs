#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// session_calls.mjs PAGE A_NETNS B_NETNS KIND...
//
// Calls by sallyport.js between two hosts, as many as asked for, in browsers that are started once: on each host one of
// each KIND. PAGE is session.html. Obeys orders from standard input, one a line, and answers each with a line of
// its own, "ok …" or "failed …", once it is done:
//
//     begin NAME A_KIND B_KIND CALLER trickle|whole SESSION_FILE A_GATEWAY B_GATEWAY
//                            joins both ends of that session (what the API said of it; a gateway may be "-") and calls;
//                            CALLER: a or b
//     reach NAME A_WAY B_WAY until the call goes by these ways ("udp,ice-tcp": either) and each has seen and heard more of
//                            the other then, by the pair of the last restart. The answer: how often ICE was restarted,
//                            and by which ways it goes
//     restart NAME           the caller restarts ICE; until both sides have other credentials
//     silent NAME            until neither gets anything of the other any more
//     apart NAME             for some seconds the two hear nothing of each other
//     end NAME
//     refused a|b KIND SESSION_FILE END
//                            the answer: why the page can't take that end
//
// No order waits longer than 40 s for what it is about.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Browser, SMALL_VIEW } from './browser/browser.mjs';

const LIMIT_MS = 40000, LOOK_MS = 100, SILENCE_MS = 2000, APART_MS = 5000;
const ENOUGH = { frames: 5, voice: 20 };

const pause = ms => new Promise(resolve => { setTimeout(resolve, ms); });
const say = text => process.stderr.write(`${text}\n`);

// --- the browsers ---

const pages = new Map(); // by side and kind: "a chromium"
const calls = new Map(); // by name: { a, b: pages, caller: one of them }

async function openBrowser(dir, url, side, kind, netns) {
    const id = `${side} ${kind}`;
    const page = new Browser({
        kind, netns, args: [], media: true, addresses: true, view: SMALL_VIEW, dir: join(dir, id.replace(' ', '-')), timeout_ms: 60000,
        onSignal: text => carry(page, text), onError: text => say(`page ${id}: ${text}`),
        onLost: () => { say(`browser ${id} has ended`); process.exitCode = 1; process.stdin.destroy(); },
    });
    pages.set(id, page);
    const version = await page.launch();
    await page.goto(url);
    await page.evaluate(() => callPage.prepare());
    say(`browser ${id}: ${version}`);
}

// To the other side, in the order in which it was said.
function carry(from, text) {
    const call = calls.get(JSON.parse(text).call);
    const to = call?.a === from ? call.b : call?.a;
    to?.evaluate(t => callPage.receive(t), text).catch(error => say(error.message));
}

// --- orders ---

const sides = ({ a, b }) => [a, b];
const reports = (name, call) => Promise.all(sides(call).map(page => page.evaluate(n => callPage.report(n), name)));
const describe = found => JSON.stringify(found);

// Until `test` of both sides' reports holds; resolves to these.
async function until(name, what, test) {
    const call = calls.get(name);
    for (const deadline = Date.now() + LIMIT_MS; ; await pause(LOOK_MS)) {
        const found = await reports(name, call);
        if (found.some(r => r.errors.length))
            throw new Error(`${what}: ${describe(found)}`);
        if (test(found))
            return found;
        if (Date.now() > deadline)
            throw new Error(`${what}: not after ${LIMIT_MS} ms: ${describe(found)}`);
    }
}

const has = (more, r, before) => Object.entries(more).every(([figure, least]) => r[figure] >= before[figure] + least);

const orders = {
    async begin(name, aKind, bKind, callerSide, form, file, ...gateways) {
        const { ends } = JSON.parse(readFileSync(file));
        const call = { a: pages.get(`a ${aKind}`), b: pages.get(`b ${bKind}`) };
        call.caller = call[callerSide];
        calls.set(name, call);
        await Promise.all(sides(call).map((page, i) => page.evaluate(o => callPage.begin(o), {
            name, whole: form === 'whole', caller: page === call.caller, ticket: ends[i].ticket,
            gateway: gateways[i] === '-' ? undefined : gateways[i],
        })));
        await call.caller.evaluate(n => callPage.offer(n), name);
    },
    async reach(name, ...ways) {
        let before;
        const found = await until(name, `by ${ways.join(' and ')}`, now => {
            const isThere = now.every((r, i) => ways[i].split(',').includes(r.way) && ['connected', 'completed'].includes(r.ice) &&
                r.usedUfrag === r.ufrag);
            before = isThere ? before ?? now : undefined;
            return isThere && now.every((r, i) => has(ENOUGH, r, before[i]));
        });
        return [found.reduce((all, r) => all + r.restarts, 0), ...found.map(r => r.way)].join(' ');
    },
    async restart(name) {
        const call = calls.get(name), before = await reports(name, call);
        await call.caller.evaluate(n => callPage.restart(n), name);
        await until(name, 'restarted', now => now.every((r, i) => r.ufrag !== before[i].ufrag));
    },
    async silent(name) {
        let last, since;
        await until(name, 'silent', now => {
            const figures = now.flatMap(r => [r.frames, r.voice]).join();
            if (figures !== last)
                [last, since] = [figures, Date.now()];
            return Date.now() - since >= SILENCE_MS;
        });
    },
    async apart(name) {
        for (const end = Date.now() + APART_MS; Date.now() < end; await pause(LOOK_MS)) {
            const found = await reports(name, calls.get(name));
            if (found.some(r => r.errors.length || r.way || r.frames || r.voice))
                throw new Error(`they are not apart: ${describe(found)}`);
        }
    },
    async end(name) {
        await Promise.all(sides(calls.get(name)).map(page => page.evaluate(n => callPage.hangUp(n), name)));
        calls.delete(name);
    },
    refused(side, kind, file, end) {
        const { ends } = JSON.parse(readFileSync(file));
        return pages.get(`${side} ${kind}`).evaluate(ticket => callPage.refusal(ticket), ends[end].ticket);
    },
};

const [url, aNetns, bNetns, ...kinds] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'sallyport-sessions-'));
try {
    await Promise.all([['a', aNetns], ['b', bNetns]].flatMap(([side, netns]) => kinds.map(kind => openBrowser(dir, url, side, kind, netns))));
    console.log('ok');
    for await (const line of createInterface({ input: process.stdin })) {
        const [order, ...words] = line.split(' ');
        console.log(await orders[order](...words).then(answer => `ok ${answer ?? ''}`, error => `failed ${error.message}`));
    }
} finally {
    await Promise.all([...pages.values()].map(page => page.close()));
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
