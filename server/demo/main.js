// SPDX-License-Identifier: GPL-2.0-or-later
//
// The demo page: who comes, who is called, and what is shown of it.

import {Call} from '/demo/call.js';
import {Chart} from '/demo/chart.js';
import {between, shown, totals} from '/demo/figures.js';
import {agreed, draw, ways} from '/demo/picture.js';
import {isName, makeName, Room} from '/demo/room.js';

const $ = (id) => document.getElementById(id);
const tiles = {rtt: [0, 50], loss: [1, 2], in: [2, 1], out: [2, 1]}; // digits, and the least top of the chart

let room;
let call;
let stream;
let before; // totals, a second ago
let charts = {};
let path = {near: null, far: null, gateways: [false, false]};

// --- what is shown -----------------------------------------------------------------------------------

function showState(text, tone) {
    $('state').textContent = text;
    $('state').dataset.tone = tone;
}

function showInvite(title, text, withLink) {
    $('invite').hidden = false;
    $('invite-title').textContent = title;
    $('invite-text').textContent = text;
    document.querySelector('.link').hidden = !withLink;
}

function describe({near, far}) {
    if (!call) return 'It is drawn here as soon as your guest has come.';
    if (!near) return 'Both are looking for a way to each other.';
    if (near === 'direct') return 'Sound and picture go directly from browser to browser: no firewall is in the way, and the server carries nothing.';
    const theirs = {tunnel: 'through their gateway', 'ice-tcp': 'by ICE-TCP to port 443', udp: 'by UDP', relay: 'through a TURN relay'};
    return `Your sound and picture go ${ways[near]}; those of your guest come ${theirs[far] ?? 'by a way that is not known yet'}.`;
}

function showPath(change) {
    path = {...path, ...change};
    const seen = {...path, ...agreed(path)};
    $('path-text').textContent = describe(seen);
    draw($('picture'), seen);
}

function showFigures(f) {
    for (const [id, [digits]] of Object.entries(tiles)) {
        $(id).querySelector('output').textContent = shown(f[id], digits);
        charts[id].add(f[id]);
    }
}

// --- camera ------------------------------------------------------------------------------------------

// A picture that moves, for who has no camera or keeps it to himself.
function drawnStream() {
    const canvas = Object.assign(document.createElement('canvas'), {width: 640, height: 480});
    const paint = canvas.getContext('2d');
    setInterval(() => {
        const t = performance.now() / 1000;
        paint.fillStyle = `hsl(${(t * 12) % 360} 45% 30%)`;
        paint.fillRect(0, 0, 640, 480);
        paint.fillStyle = '#ffffffdd';
        paint.beginPath();
        paint.arc(320 + 180 * Math.cos(t), 240 + 110 * Math.sin(2 * t), 46, 0, 7);
        paint.fill();
        paint.font = '28px sans-serif';
        paint.fillText(new Date().toLocaleTimeString(), 24, 450);
    }, 40);
    return canvas.captureStream(25);
}

async function openCamera() {
    const wanted = {audio: true, video: {width: {ideal: 1280}, height: {ideal: 720}}};
    try {
        return await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
        console.warn('demo: no camera', error);
        $('notice').textContent = 'No camera or microphone: a drawn picture is sent instead.';
        return drawnStream();
    }
}

// --- the call ----------------------------------------------------------------------------------------

function hangUp() {
    call?.close();
    call = undefined;
    before = undefined;
    $('far').srcObject = null;
    $('setup').textContent = '';
}

function onState({detail: {name, ms, why}}) {
    if (name === 'connected') {
        showState('Connected', 'good');
        $('invite').hidden = true;
        if (ms && !$('setup').textContent) $('setup').textContent = `Connected ${(ms / 1000).toFixed(1)} s after both were there.`;
    } else if (name === 'failed' || name === 'disconnected') {
        showState(name === 'failed' ? 'No way found' : 'Looking for another way', name === 'failed' ? 'bad' : 'wait');
        if (why) $('notice').textContent = why;
    }
}

function onMeet({detail: meeting}) {
    hangUp();
    const gateway = new URLSearchParams(location.search).get('gateway') === 'no' ? undefined : meeting.gateway;
    showState('Connecting', 'wait');
    showInvite('Your guest is here', 'Finding a way through …', false);
    call = new Call(room, stream, {...meeting, gateway});
    showPath({near: null, far: null, gateways: [Boolean(gateway), false]});
    call.addEventListener('state', onState);
    call.addEventListener('track', ({detail}) => {
        if ($('far').srcObject !== detail) $('far').srcObject = detail;
    });
}

function onMessage({detail: x}) {
    if (x.way) showPath({far: x.way, gateways: [path.gateways[0], x.gateway]});
    else call?.hear(x);
}

async function look() {
    if (!call) return;
    const pc = call.peer;
    const now = totals(await pc.getStats(), performance.now());
    const way = await call?.way();
    if (!call || call.peer !== pc || pc.connectionState !== 'connected') return;
    if (before) showFigures(between(before, now));
    before = now;
    if (way && way !== path.near) {
        showPath({near: way});
        room.say({way, gateway: Boolean(call.gateway)});
    }
}

const refusals = {
    occupied: 'Two are in this room already. Start a call of your own.',
    too_many: 'Many have come from your network just now. Try again in a moment.',
    full: 'The server has as many demo calls as it takes. Try again later.',
};

function stop(text) {
    hangUp();
    showState('Not in a call', 'bad');
    showInvite('That did not work', text, false);
}

function waitForGuest(title) {
    hangUp();
    showState('Waiting', 'wait');
    showInvite(title, 'Send this link to whom you want to call:', true);
    showPath({near: null, far: null, gateways: [false, false]});
}

async function join(name) {
    $('go').disabled = true;
    stream = await openCamera();
    history.replaceState(null, '', `#${name}`);
    $('link').value = location.href;
    $('near').srcObject = stream;
    $('welcome').hidden = true;
    $('call').hidden = false;
    for (const [id, [, least]] of Object.entries(tiles)) charts[id] = new Chart($(id), least);
    room = new Room(name);
    const on = (type, fn) => room.addEventListener(type, fn);
    on('seat', () => waitForGuest('Waiting for your guest'));
    on('meet', onMeet);
    on('message', onMessage);
    on('left', () => waitForGuest('Your guest has left'));
    on('over', () => stop('The demo call is over. Reload the page to start another one.'));
    on('refused', ({detail}) => stop(refusals[detail.code] ?? 'The server refused.'));
    on('away', () => {
        $('notice').textContent = 'The server is not to be reached for signalling; trying again …';
    });
    on('back', () => {
        $('notice').textContent = '';
    });
    room.enter();
    setInterval(look, 1000);
}

// --- buttons -----------------------------------------------------------------------------------------

function toggle(id, kind, words) {
    $(id).addEventListener('click', () => {
        const off = $(id).getAttribute('aria-pressed') !== 'true';
        for (const track of stream.getTracks()) if (track.kind === kind) track.enabled = !off;
        $(id).setAttribute('aria-pressed', String(off));
        $(id).textContent = words[Number(off)];
    });
}

const given = location.hash.slice(1);
if (isName(given)) $('go').textContent = 'Join the call';

$('join').addEventListener('submit', (event) => {
    event.preventDefault();
    join(isName(given) ? given : makeName());
});
$('copy').addEventListener('click', async () => {
    $('link').select();
    await navigator.clipboard.writeText($('link').value);
    $('copy').textContent = 'Copied';
});
$('leave').addEventListener('click', () => location.assign('/demo/'));
window.addEventListener('pagehide', () => room?.leave());
toggle('mic', 'audio', ['Mute', 'Unmute']);
toggle('cam', 'video', ['Hide camera', 'Show camera']);
