// SPDX-License-Identifier: GPL-2.0-or-later
//
// A browser with one page, Chromium or Firefox, in a network namespace if asked: what the programs of the
// browser tests use, whichever it is. The browser itself is driven by host.mjs.

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const KINDS = ['chromium', 'firefox'];

const HOST = fileURLToPath(new URL('host.mjs', import.meta.url));
const CLOSE_MS = 10000;
const VIEW = { width: 1280, height: 800 };
// Enough to see that there are pictures. Nothing but software paints here: a whole page costs half a processor.
export const SMALL_VIEW = { width: 480, height: 300 };

export class Browser {
    #process;
    #ended;
    #how;
    #on;
    #waiting = new Map(); // calls without an answer yet, by their number: { resolve, reject }
    #calls = 0;
    #closing = false;

    // `kind`: of KINDS. `netns`: or here. `dir`: a folder for this browser alone, to be made; it is home and
    // temporary folder to it. `args`: more arguments. `media`: leave to use camera and microphone. `addresses`: the page
    // is told the host's, as one with a real camera is (Chromium does so with a fake one as well). `camera`:
    // whose portrait the camera shows, or `motion` (motion.mjs), where it can show one. `view`: how much of the
    // page is painted. `timeout_ms`: for the start. `onSignal(message)`: the page called window.signal.
    // `onError(text)`: the page threw. `onLost()`: the browser ended unasked.
    constructor({ netns, onSignal, onError, onLost, view = VIEW, ...how }) {
        const enter = netns ? ['ip', 'netns', 'exec', netns] : [];
        const [command, ...args] = [...enter, process.execPath, HOST];
        mkdirSync(how.dir);
        this.#how = { view, ...how };
        this.#on = { signal: onSignal, error: onError, lost: onLost };
        this.#process = spawn(command, args, {
            stdio: ['ignore', 2, 2, 'ipc'], env: { ...process.env, HOME: how.dir, TMPDIR: how.dir },
        });
        this.#process.on('message', message => this.#hear(message));
        this.#ended = new Promise(resolve => {
            this.#process.on('error', resolve);
            this.#process.on('exit', resolve);
        });
        this.#ended.then(() => this.#lost());
    }

    // Resolves to what browser it is, and which version.
    launch() {
        return this.#call('launch', this.#how);
    }

    goto(url) {
        return this.#call('goto', url);
    }

    // Calls a function in the page and resolves to what it, or its promise, results in. Function, argument and
    // result travel as text.
    evaluate(fn, argument = null) {
        return this.#call('evaluate', { source: fn.toString(), argument });
    }

    screenshot(path) {
        return this.#call('screenshot', path);
    }

    async close() {
        this.#closing = true;
        if (this.#process.connected)
            this.#process.disconnect();
        const late = setTimeout(() => this.#process.kill('SIGKILL'), CLOSE_MS);
        await this.#ended;
        clearTimeout(late);
    }

    #call(method, argument) {
        const id = ++this.#calls;
        return new Promise((resolve, reject) => {
            this.#waiting.set(id, { resolve, reject });
            this.#process.send({ id, method, argument }, error => { error && reject(error); });
        });
    }

    #hear({ id, result, error, event, value }) {
        if (event === 'lost')
            return this.#lost();
        if (event)
            return void this.#on[event]?.(value);
        const { resolve, reject } = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (error === undefined)
            resolve(result);
        else
            reject(new Error(error));
    }

    #lost() {
        for (const { reject } of this.#waiting.values())
            reject(new Error('the browser has ended'));
        this.#waiting.clear();
        if (!this.#closing)
            this.#on.lost?.();
        this.#closing = true;
    }
}
