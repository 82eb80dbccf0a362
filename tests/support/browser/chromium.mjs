// SPDX-License-Identifier: GPL-2.0-or-later
//
// Chromium for the tests, driven by Playwright through a pipe. host.mjs says what a driver is.

import { createRequire } from 'node:module';
import { cameraFile } from './camera.mjs';

const EXECUTABLE = '/usr/bin/chromium';
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--ignore-certificate-errors',
];
// Leave to use camera and microphone. Without it Chromium hides the addresses of its host from the page.
const LEAVE = '--use-fake-ui-for-media-stream';

export async function launch({ args, camera, media, view, dir, timeout_ms = 30000 }) {
    const { chromium } = createRequire(new URL('../../e2e/package.json', import.meta.url))('playwright-core');
    const flags = [...FLAGS, ...args];
    if (media)
        flags.push(LEAVE);
    if (camera)
        flags.push(`--use-file-for-fake-video-capture=${await cameraFile(camera, dir)}`);
    const browser = await chromium.launch({
        executablePath: EXECUTABLE, args: flags, timeout: timeout_ms,
        handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
    });
    return {
        version: `Chromium ${browser.version()}`,
        onLost: tell => browser.on('disconnected', tell),
        close: () => browser.close(),
        newPage: async onError => {
            const page = await browser.newPage({ viewport: view, ignoreHTTPSErrors: true });
            page.on('pageerror', onError);
            return page;
        },
    };
}
