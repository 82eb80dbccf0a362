// SPDX-License-Identifier: GPL-2.0-or-later
//
// One browser and one page, driven from within the network namespace that they run in: Firefox takes its
// orders on a TCP port of its own loopback interface, where nobody outside can reach it. browser.mjs starts
// this program there and speaks to it by node's IPC channel; when that is closed the browser ends.
//
// A driver (chromium.mjs, firefox.mjs) has `launch({ args, camera, media, view, dir, timeout_ms })`, explained
// in browser.mjs, which resolves to `{ version, onLost(tell), close(), newPage(onError) }`. Pages are
// Playwright's or Puppeteer's; of these, only what both have is used here.

import * as chromium from './chromium.mjs';
import * as firefox from './firefox.mjs';

const drivers = { chromium, firefox };
let browser, page, closing = false;

const methods = {
    async launch({ kind, ...how }) {
        browser = await drivers[kind].launch(how);
        browser.onLost(() => closing || process.send({ event: 'lost' }));
        page = await browser.newPage(error => process.send({ event: 'error', value: error.message }));
        await page.exposeFunction('signal', value => { process.send({ event: 'signal', value }); });
        return browser.version;
    },
    async goto(url) {
        await page.goto(url);
    },
    evaluate({ source, argument }) {
        return page.evaluate(`(${source})(${JSON.stringify(argument)})`);
    },
    async screenshot(path) {
        await page.screenshot({ path });
    },
};

async function close() {
    if (closing)
        return;
    closing = true;
    await browser?.close().catch(() => {});
    process.exit(0);
}

process.on('message', async ({ id, method, argument }) => {
    try {
        process.send({ id, result: await methods[method](argument) });
    } catch (error) {
        if (!closing)
            process.send({ id, error: error.message.split('\n')[0] });
    }
});
for (const event of ['disconnect', 'SIGHUP', 'SIGINT', 'SIGTERM'])
    process.on(event, close);
