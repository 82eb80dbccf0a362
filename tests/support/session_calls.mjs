#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// session_calls.mjs A_KIND A_NETNS B_KIND B_NETNS PAGE SERVER CALLS
//
// Two browsers call each other by rendezvous sessions of the SERVER (https://…), one call after the other, as an
// application does by hand that has no script for it: no candidate of theirs is passed on, so there is no
// other way. CALLS is JSON: a list of { name, tickets: [a, b], gateways: [a, b] } (a gateway may be null). Prints
// a list: what each call came to.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, SMALL_VIEW } from './browser/browser.mjs';

const LIMIT_MS = 20000;

// --- in the page ---

async function begin({ offer, ticket, gateway, server }) {
    const pc = new RTCPeerConnection();
    const join = async fields => {
        const answer = await fetch(`${server}/v1/end`, {
            method: 'PUT', body: JSON.stringify(fields),
            headers: { Authorization: `Bearer ${ticket}`, 'Content-Type': 'application/json' },
        });
        const body = await answer.json();
        if (!answer.ok)
            throw new Error(`${answer.status}: ${JSON.stringify(body)}`);
        return body;
    };
    const field = (sdp, name) => new RegExp(`^a=${name}:(\\S+)`, 'm').exec(sdp)[1];
    const call = window.call = { pc, began: performance.now() };
    call.open = new Promise((resolve, reject) => {
        const listen = channel => {
            channel.onmessage = ({ data }) => (data === 'ping' ? channel.send('pong') : resolve());
            channel.onopen = () => channel.send('ping');
        };
        if (offer)
            pc.ondatachannel = ({ channel }) => listen(channel);
        else
            listen(pc.createDataChannel('x'));
        pc.onconnectionstatechange = () => pc.connectionState === 'failed' && reject(new Error('failed'));
    });
    call.open.catch(() => {});
    if (offer)
        await pc.setRemoteDescription(offer);
    await pc.setLocalDescription();
    const { type, sdp } = pc.localDescription;
    call.joined = await join({
        holder: 'the-holder-of-this-end-is-me', ufrag: field(sdp, 'ice-ufrag'),
        password: field(sdp, 'ice-pwd'), ...(gateway && { gateway }),
    });
    return { type, sdp: sdp.replace(/^a=(candidate|end-of-candidates).*\r\n/gm, '') };
}

async function meet(answer) {
    const { pc, joined } = window.call;
    if (answer)
        await pc.setRemoteDescription(answer);
    for (const [i, c] of joined.candidates.entries()) {
        const tcp = c.protocol === 'tcp';
        await pc.addIceCandidate({
            candidate: `candidate:${i + 1} 1 ${c.protocol} ${1518280447 - i} ${c.address} ${c.port} typ host` +
                (tcp ? ' tcptype passive' : ''),
            sdpMid: '0', sdpMLineIndex: 0,
        });
    }
}

async function finish(limit) {
    const { pc, open, began, joined } = window.call;
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`ICE is ${pc.iceConnectionState}`)), limit));
    await Promise.race([open, late]);
    const ms = performance.now() - began;
    const stats = [...(await pc.getStats()).values()];
    const { selectedCandidatePairId } = stats.find(s => s.type === 'transport');
    const pair = stats.find(s => s.id === selectedCandidatePairId);
    const remote = stats.find(s => s.id === pair?.remoteCandidateId);
    return { ms, joined, remote: remote && `${remote.protocol} ${remote.address}:${remote.port}` };
}

const hangUp = () => window.call.pc.close();

// --- here ---

const [aKind, aNetns, bKind, bNetns, url, server, callsText] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'sallyport-sessions-'));
const open = async (id, kind, netns) => {
    const page = new Browser({
        kind, netns, args: [], media: false, view: SMALL_VIEW, dir: join(dir, id), timeout_ms: 60000,
        onError: text => process.stderr.write(`page ${id}: ${text}\n`),
    });
    await page.launch();
    await page.goto(url);
    return page;
};
let a, b;
try {
    [a, b] = await Promise.all([open('a', aKind, aNetns), open('b', bKind, bNetns)]);
    const results = [];
    for (const { name, tickets, gateways } of JSON.parse(callsText)) {
        const offer = await a.evaluate(begin, { ticket: tickets[0], gateway: gateways[0], server });
        const answer = await b.evaluate(begin, { offer, ticket: tickets[1], gateway: gateways[1], server });
        await Promise.all([a.evaluate(meet, answer), b.evaluate(meet)]);
        const ends = await Promise.allSettled([a.evaluate(finish, LIMIT_MS), b.evaluate(finish, LIMIT_MS)]);
        const [endA, endB] = ends.map(({ value, reason }) => value ?? { error: reason.message });
        results.push({ name, a: endA, b: endB });
        await Promise.all([a.evaluate(hangUp), b.evaluate(hangUp)]);
    }
    process.stdout.write(`${JSON.stringify(results)}\n`);
} finally {
    await Promise.all([a?.close(), b?.close()]);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
