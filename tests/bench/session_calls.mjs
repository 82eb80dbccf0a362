#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// session_calls.mjs A_NETNS B_NETNS EDGE_NETNS PAGE MAKER TURN ROUNDS ROWS
//
// From createOffer to connected, for each row and way of calling, in turn: two Chromium at one page of the server's, which
// signal through it as the demo page does. MAKER is a token that makes sessions, TURN an iceServers list; ROWS is JSON: a list of
// { row, walls: [of a, of b], gateways: [a, b], one_lan }. Prints an object a line.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser, SMALL_VIEW } from '../support/browser/browser.mjs';

const LIMIT_MS = 15000;

// --- in the page ---

// All that an application has before it calls: its user's microphone, its signalling, its ticket, connections to both.
async function prepare({ name, ticket, gateway, ice, calls }) {
    const [{ Room }, { open }] = await Promise.all([import('/demo/room.js'), import('/demo/sallyport.js')]);
    window.stream ??= await navigator.mediaDevices.getUserMedia({ audio: true });
    const room = new Room(name);
    const seated = new Promise(resolve => room.addEventListener('seat', resolve, { once: true }));
    room.enter();
    await seated;
    const door = ticket ? await open({ server: location.origin, ticket, gateway }) : {
        outgoing: async x => x, incoming: async x => x, path: async () => null, gateway: undefined,
    };
    await Promise.all([1, 2, 3, 4].map(() => fetch('/demo/icon.svg', { cache: 'no-store' }).then(r => r.arrayBuffer())));
    const pc = new RTCPeerConnection(ice ? { iceServers: ice, iceTransportPolicy: 'relay' } : {});
    for (const track of window.stream.getTracks())
        pc.addTrack(track, window.stream);
    const call = window.call = { pc, room, door };
    call.connected = new Promise((resolve, reject) => {
        pc.onconnectionstatechange = () => {
            if (pc.connectionState === 'connected')
                resolve(performance.timeOrigin + performance.now());
            else if (pc.connectionState === 'failed')
                reject(new Error('failed'));
        };
    });
    call.connected.catch(() => {});
    const send = async x => {
        const out = await door.outgoing(x);
        if (out)
            await room.say(out.sdp ? { type: out.type, sdp: out.sdp } : out);
    };
    let last = Promise.resolve();
    pc.onicecandidate = ({ candidate }) => candidate && send(candidate.toJSON());
    const take = async x => {
        if (!x.sdp)
            return pc.addIceCandidate(await door.incoming(x));
        await pc.setRemoteDescription(await door.incoming(x));
        if (x.type === 'offer') {
            await pc.setLocalDescription();
            await send(pc.localDescription);
        }
    };
    room.addEventListener('message', ({ detail }) => { last = last.then(() => take(detail)); });
    call.send = send;
    return { gateway: door.gateway ?? null };
}

async function dial() {
    const { pc, send } = window.call;
    const began = performance.timeOrigin + performance.now();
    await pc.setLocalDescription(await pc.createOffer());
    await send(pc.localDescription);
    return began;
}

async function finish(limit) {
    const { pc, connected, door } = window.call;
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`ICE is ${pc.iceConnectionState}`)), limit));
    const at = await Promise.race([connected, late]);
    const stats = [...(await pc.getStats()).values()];
    const transport = stats.find(s => s.type === 'transport');
    const pair = stats.find(s => s.id === transport.selectedCandidatePairId);
    const local = stats.find(s => s.id === pair.localCandidateId);
    return { at, way: await door.path(pc) ?? (local.candidateType === 'relay' ? 'relay' : 'direct') };
}

const hangUp = () => { window.call?.pc.close(); window.call?.room.leave(); };

async function makeSession({ maker, stun, gateways }) {
    const answer = await fetch('/v1/sessions', {
        method: 'POST', headers: { Authorization: `Bearer ${maker}` },
        body: JSON.stringify({ stun, ends: gateways.map(gateway => (gateway ? { gateway } : {})) }),
    });
    if (!answer.ok)
        throw new Error(`${answer.status}: ${await answer.text()}`);
    return (await answer.json()).ends.map(({ ticket }) => ticket);
}

// --- here ---

const [aNetns, bNetns, edgeNetns, url, maker, turn, rounds, rowsText] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
const open = async (id, netns) => {
    const page = new Browser({
        kind: 'chromium', netns, args: [], media: true, view: SMALL_VIEW, dir: join(dir, id), timeout_ms: 60000,
        onError: text => process.stderr.write(`page ${id}: ${text}\n`),
    });
    await page.launch();
    await page.goto(url);
    return page;
};

// What the server's host lets in from a caller's link: `https-only`, `block-udp` or `open`.
const wall = (host, kind) => ({
    'open': [],
    'block-udp': [`-A INPUT -i to-${host} -p udp -j DROP`, `-A FORWARD -i to-${host} -p udp -j DROP`],
    'https-only': [`-A INPUT -i to-${host} -p udp -j DROP`, `-A INPUT -i to-${host} -p tcp ! --dport 443 -j DROP`,
        `-A FORWARD -i to-${host} -j DROP`],
}[kind]);
const setWalls = ([a, b]) => execFileSync('ip', ['netns', 'exec', edgeNetns, 'iptables-restore'], {
    input: ['*filter', ':INPUT ACCEPT', ':FORWARD ACCEPT', ':OUTPUT ACCEPT', ...wall('a', a), ...wall('b', b), 'COMMIT', ''].join('\n'),
});

let pages = {};
let n = 0;
async function call(callers, how) {
    const { row, by, stun, walls, gateways, ice } = how;
    setWalls(walls);
    const tickets = stun ? await callers[0].evaluate(makeSession, { maker, stun, gateways }) : [];
    const name = `bench-${++n}`;
    const had = await Promise.all(callers.map((page, i) => page.evaluate(prepare, {
        name, ticket: tickets[i], gateway: (stun && gateways[i]) || undefined, ice, calls: i === 0,
    })));
    // What was sent while getting ready is gone.
    await new Promise(resolve => setTimeout(resolve, 150));
    const began = await callers[0].evaluate(dial);
    const ends = await Promise.allSettled(callers.map(page => page.evaluate(finish, LIMIT_MS)));
    await Promise.all(callers.map(page => page.evaluate(hangUp)));
    const failed = ends.find(({ reason }) => reason);
    if (failed)
        return { row, by, error: failed.reason.message };
    const ms = ends.map(({ value }) => Math.round((value.at - began) * 10) / 10);
    return { row, by, connect_ms: Math.max(...ms), caller_ms: ms[0], called_ms: ms[1], ways: ends.map(({ value }) => value.way),
        gateways: had.map(({ gateway }) => gateway) };
}

try {
    const rows = JSON.parse(rowsText);
    const opened = await Promise.all([open('a', aNetns), open('b', bNetns), open('a2', aNetns)]);
    pages = { a: opened[0], b: opened[1], a2: opened[2] };
    for (let round = 0; round <= Number(rounds); round++) {
        for (const how of rows) {
            const callers = [pages.a, how.one_lan ? pages.a2 : pages.b];
            const open = { ...how, walls: ['open', 'open'] };
            const ways = [
                { ...open, by: 'direct' }, { ...how, by: 'pass', stun: 'pass' }, { ...how, by: 'early', stun: 'early' },
                { ...how, by: 'coturn', ice: JSON.parse(turn) },
            ];
            for (const way of ways) {
                const result = await call(callers, way);
                if (round > 0) // the first one warms up
                    process.stdout.write(`${JSON.stringify({ ...result, round })}\n`);
                else if (result.error)
                    process.stderr.write(`${JSON.stringify(result)}\n`);
            }
            if (round === 0 && how !== rows[0])
                break;
        }
    }
} finally {
    await Promise.all(Object.values(pages).map(page => page.close()));
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
}
