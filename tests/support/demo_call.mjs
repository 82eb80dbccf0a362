#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// demo_call.mjs A_KIND A_NETNS B_KIND B_NETNS PAGE [FOLDER]
//
// Two browsers meet by the demo page of a server, as two people do: one starts a call and sends the link, the other one
// follows it. Prints JSON: what each page shows, before and after its guest has left. FOLDER: for
// pictures of the pages.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from './browser/browser.mjs';

const LIMIT_MS = 20000;

// --- in the page ---

const shown = () => {
    const text = id => document.getElementById(id).textContent.trim();
    const picture = document.getElementById('far');
    return {
        state: text('state'), path: text('path-text'), notice: text('notice'), invite: text('invite-title'), why: text('invite-text'),
        drawn: [...document.querySelectorAll('#picture text')].map(t => t.textContent),
        figures: Object.fromEntries(['rtt', 'loss', 'in', 'out'].map(id => [id, document.querySelector(`#${id} output`).textContent])),
        link: document.getElementById('link').value, picture: [picture.videoWidth, picture.videoHeight, picture.currentTime],
    };
};
const press = id => document.getElementById(id).click();
const watch = () => {
    window.wrong = [];
    document.addEventListener('securitypolicyviolation', e => window.wrong.push(`${e.violatedDirective}: ${e.blockedURI}`));
};
const wrong = () => window.wrong;

// --- here ---

const [aKind, aNetns, bKind, bNetns, url, folder] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
const open = async (id, kind, netns, camera) => {
    const page = new Browser({
        kind, netns, args: [], media: true, camera, dir: join(dir, id), timeout_ms: 60000, view: { width: 1120, height: 1000 },
        onError: text => process.stderr.write(`page ${id}: ${text}\n`),
    });
    await page.launch();
    return page;
};
const until = async (page, good, what) => {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
        const now = await page.evaluate(shown);
        if (good(now))
            return now;
        if (Date.now() > end)
            throw new Error(`${what}: ${JSON.stringify(now)}`);
        await new Promise(resolve => setTimeout(resolve, 200));
    }
};
const shoot = async (page, name) => { folder && await page.screenshot(join(folder, `${name}.png`)); };
const flows = x => x.state === 'Connected' && x.picture[0] > 0 && Number(x.figures.in) > 0 && Number(x.figures.rtt) > 0 &&
    /your guest come (?!by a way)|directly/.test(x.path);

let a, b;
try {
    [a, b] = await Promise.all([open('a', aKind, aNetns, 'ana'), open('b', bKind, bNetns, 'ben')]);
    await a.goto(url);
    await a.evaluate(watch);
    await shoot(a, 'welcome');
    await a.evaluate(press, 'go');
    const { link } = await until(a, x => x.state === 'Waiting', 'a gets no seat');
    await shoot(a, 'waiting');
    await b.goto(link);
    await b.evaluate(watch);
    await b.evaluate(press, 'go');
    const both = await Promise.all([until(a, flows, 'a is not connected'), until(b, flows, 'b is not connected')]);
    if (folder) {
        await new Promise(resolve => setTimeout(resolve, Number(process.env.DEMO_WATCH_MS ?? 0)));
        await shoot(a, 'call-a');
        await shoot(b, 'call-b');
    }
    const violations = [...await a.evaluate(wrong), ...await b.evaluate(wrong)];
    await b.evaluate(press, 'leave');
    const left = await until(a, x => x.invite === 'Your guest has left', 'a is not told that b has left');
    process.stdout.write(`${JSON.stringify({ a: both[0], b: both[1], left, violations })}\n`);
} finally {
    await Promise.all([a?.close(), b?.close()]);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
