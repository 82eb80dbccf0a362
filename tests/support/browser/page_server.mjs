#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// page_server.mjs ADDR:PORT CERT KEY
//
// The application's web server: the test pages by HTTPS. Prints a line that starts with "ready" when it
// listens.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const PAGES = new URL('../', import.meta.url);
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' };

function answer(request, response) {
    const { pathname } = new URL(request.url, 'https://app.test');
    const [, file, kind] = /^\/(\w+\.(html|js))$/.exec(pathname) ?? [];
    try {
        const body = file && readFileSync(new URL(file, PAGES));
        response.writeHead(body ? 200 : 404, { 'Content-Type': TYPES[kind] ?? TYPES.html }).end(body);
    } catch {
        response.writeHead(404).end();
    }
}

const [where, cert, key] = process.argv.slice(2);
const [, host, port] = /^(.*):(\d+)$/.exec(where);
createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer)
    .listen({ host, port: Number(port) }, () => console.log(`ready ${where}`));
