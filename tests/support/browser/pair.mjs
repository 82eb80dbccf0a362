// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two browsers whose pages speak to each other: what one page gives to window.signal, the other gets by
// callPage.receive.

import { join } from 'node:path';
import { Browser } from './browser.mjs';

const say = text => process.stderr.write(`${text}\n`);

// Opens `url` in a browser for each of two sides, an object with `id`, `kind`, `netns`, `args` and perhaps `camera`
// (browser.mjs; a portrait, each its own, if not said), and makes it `side.page`; `side.version` says what it is.
// `timeout`: seconds for a browser's start; `view`: of browser.mjs. `onLost(side)`: its browser ended unasked. What
// was opened is closed by closePair, also when this fails.
export async function openPair([a, b], dir, options) {
    [a, b].forEach(makeInbox);
    await Promise.all([openBrowser(a, b, dir, options), openBrowser(b, a, dir, options)]);
}

export async function closePair(sides) {
    await Promise.all(sides.map(side => {
        side.closing = true;
        return side.page?.close();
    }));
}

async function openBrowser(side, peer, dir, { url, timeout, view, onLost }) {
    side.page = new Browser({
        kind: side.kind, netns: side.netns, args: side.args, view, dir: join(dir, side.id), media: true,
        camera: side.camera ?? (side.id === 'a' ? 'ana' : 'ben'), timeout_ms: timeout * 1000,
        onSignal: message => peer.inbox(message), onError: text => say(`page ${side.id}: ${text}`),
        onLost: () => onLost(side),
    });
    side.version = await side.page.launch();
    say(`browser ${side.id}: ${side.version}${side.netns ? ` in ${side.netns}` : ''}`);
    await side.page.goto(url);
}

// What a page says reaches the other in the order in which it was said: a candidate may not overtake the
// description that it belongs to.
function makeInbox(side) {
    let before = Promise.resolve();
    side.inbox = message => {
        before = before
            .then(() => side.page.evaluate(m => callPage.receive(m), message))
            .catch(error => side.closing || say(`page ${side.id}: ${error.message}`));
    };
}
