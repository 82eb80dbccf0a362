// SPDX-License-Identifier: GPL-2.0-or-later
//
// Firefox for the tests, driven by Puppeteer and WebDriver BiDi. host.mjs says what a driver is. The camera
// is Firefox's own fake: it cannot play a file.

import { createRequire } from 'node:module';

const EXECUTABLE = '/usr/bin/firefox-esr';
const CLOSE_MS = 5000;
// Nothing here may help media on its way: it shall go as for somebody who just installed Firefox.
const FAKE_DEVICES = { 'media.navigator.streams.fake': true };
const LEAVE = { 'media.navigator.permission.disabled': true };
// Who has the camera is told the addresses of the host. A fake one does not count.
const ADDRESSES = { 'media.peerconnection.ice.obfuscate_host_addresses': false };

export async function launch({ args, media, addresses, view, timeout_ms = 30000 }) {
    const preferences = { ...FAKE_DEVICES, ...(media && LEAVE), ...(addresses && ADDRESSES) };
    const puppeteer = createRequire(new URL('../../e2e/package.json', import.meta.url))('puppeteer-core');
    const browser = await puppeteer.launch({
        browser: 'firefox', executablePath: EXECUTABLE, args, timeout: timeout_ms, headless: true,
        acceptInsecureCerts: true, extraPrefsFirefox: preferences,
        handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
    });
    return {
        version: (await browser.version()).replace(/^firefox\//i, 'Firefox '),
        onLost: tell => browser.on('disconnected', tell),
        close: async () => {
            const late = setTimeout(() => browser.process()?.kill('SIGKILL'), CLOSE_MS);
            await browser.close();
            clearTimeout(late);
        },
        newPage: async onError => {
            const page = await browser.newPage();
            await page.setViewport(view);
            page.on('pageerror', onError);
            return page;
        },
    };
}
