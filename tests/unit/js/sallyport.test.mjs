// SPDX-License-Identifier: GPL-2.0-or-later
//
// sallyport.js without a browser: SDP in and out, and what it asks a server that does as it is told. By
// node's own test runner.
import assert from 'node:assert/strict';
import {webcrypto} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {beforeEach, test} from 'node:test';
import * as whole from '../../../client/js/sallyport.js';
import {candidateLine, credentialsOf, open, SallyportError, withCandidates} from '../../../client/js/sallyport.js';

const offer = [
    'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1', 'a=msid-semantic: WMS',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:Xk3d', 'a=ice-pwd:0123456789012345678901', 'a=mid:0',
    'a=candidate:1 1 udp 2122260223 11111111-2222.local 50000 typ host generation 0',
    'm=video 9 UDP/TLS/RTP/SAVPF 96', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:Xk3d', 'a=ice-pwd:0123456789012345678901', 'a=mid:1', '',
].join('\r\n');
const tcp = {protocol: 'tcp', address: '198.51.100.2', port: 443};
const udp = {protocol: 'udp', address: '198.51.100.2', port: 3478};
const lan = {protocol: 'udp', address: '192.168.1.5', port: 50321};

const description = (type, sdp = offer) => ({type, sdp});
const withUfrag = (ufrag) => offer.replaceAll('Xk3d', ufrag);
const candidatesOf = (sdp) => sdp.split(/\r?\n/).filter((line) => line.startsWith('a=candidate:sallyport'));

globalThis.crypto ??= webcrypto; // node 18

// --- SDP ---------------------------------------------------------------------------------------------

test('credentials are found in a section and above all', () => {
    assert.deepEqual(credentialsOf(offer), {ufrag: 'Xk3d', password: '0123456789012345678901'});
    assert.deepEqual(credentialsOf('v=0\na=ice-ufrag:abcd\na=ice-pwd:p\nm=audio 9 x 0\n'), {ufrag: 'abcd', password: 'p'});
    for (const none of ['', 'hello', 'v=0\r\n', 'v=0\r\nm=audio 9 x 0\r\n', null, 7, undefined]) assert.equal(credentialsOf(none), null);
});

test('candidates are added to the first bundled section, and nothing else is touched', () => {
    const sdp = withCandidates(offer, [{...lan, way: 'tunnel'}]);
    const line = candidateLine({...lan, way: 'tunnel'}, 0);
    assert.equal(sdp.replace(`${line}\r\n`, ''), offer);
    assert.ok(sdp.indexOf(line) < sdp.indexOf('m=video'));
    assert.match(line, /^a=candidate:sallyport0 1 udp \d+ 192\.168\.1\.5 50321 typ host$/);
    assert.equal(withCandidates(sdp, [{...lan, way: 'tunnel'}]), sdp, 'once is enough');
    assert.equal(withCandidates(offer, []), offer);
});

test('ICE-TCP is passive at the server', () => {
    assert.match(candidateLine({...tcp, way: 'ice-tcp'}, 1), /^a=candidate:sallyport1 1 tcp \d+ 198\.51\.100\.2 443 typ host tcptype passive$/);
});

test('every other path comes first but a relay, and the tunnel before UDP before TCP', () => {
    const priority = (way, i) => Number(candidateLine({...udp, way}, i).split(' ')[3]);
    const order = [priority('tunnel', 0), priority('tunnel', 1), priority('udp', 0), priority('ice-tcp', 0)];
    assert.deepEqual(order, [...order].sort((a, b) => b - a));
    assert.ok(order[0] < 2 ** 24 * 90, 'far below host, reflexive and ICE-TCP candidates');
    assert.ok(order.every((p) => Number.isInteger(p) && p > 0 && p < 2 ** 31));
});

test('the end of candidates stays the end, and lines end as they did', () => {
    const ended = offer.replaceAll('\r\n', '\n').replace('m=video', 'a=end-of-candidates\nm=video');
    const sdp = withCandidates(ended, [{...tcp, way: 'ice-tcp'}]);
    assert.ok(!sdp.includes('\r'));
    const lines = sdp.split('\n');
    assert.equal(lines.indexOf('a=end-of-candidates'), lines.findIndex((line) => line.startsWith('a=candidate:sallyport')) + 1);
    const last = withCandidates('v=0\r\nm=audio 9 x 0\r\n', [{...tcp, way: 'ice-tcp'}]);
    assert.match(last, /m=audio 9 x 0\r\na=candidate:sallyport0 [^\r\n]*\r\n$/);
});

test('the BUNDLE group says which section it is; else the first that is not rejected', () => {
    const second = offer.replace('BUNDLE 0 1', 'BUNDLE 1');
    const sdp = withCandidates(second, [{...tcp, way: 'ice-tcp'}]);
    assert.ok(sdp.indexOf('a=candidate:sallyport') > sdp.indexOf('m=video'));
    const rejected = offer.replace('a=group:BUNDLE 0 1\r\n', '').replace('m=audio 9', 'm=audio 0');
    const other = withCandidates(rejected, [{...tcp, way: 'ice-tcp'}]);
    assert.ok(other.indexOf('a=candidate:sallyport') > other.indexOf('m=video'));
});

// --- the server --------------------------------------------------------------------------------------

const joined = {end: 0, expires: 1, stun: 'pass', direct: false, gateway: '', candidates: [udp, tcp]};
let asked, answers, warnings;

beforeEach(() => {
    asked = [];
    answers = [];
    warnings = [];
    console.warn = (text) => warnings.push(text);
    globalThis.fetch = async (url, {method, headers, body}) => {
        asked.push({url, method, token: headers.Authorization, ...JSON.parse(body)});
        const [status, said, fields] = answers.shift() ?? [200, joined];
        return new Response(JSON.stringify(said), {status, headers: fields});
    };
});

const problem = (status, code) => [status, {type: 'about:blank', title: '', status, code, detail: `it is ${code}`, field: '/gateway'}, {'Retry-After': '5'}];

test('an end is taken, then its ufrag told, by one holder', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't', gateway: undefined});
    assert.equal(asked[0].url, 'https://edge.example/v1/end');
    assert.equal(asked[0].method, 'PUT');
    assert.equal(asked[0].token, 'Bearer t');
    assert.match(asked[0].holder, /^[A-Za-z0-9_-]{24}$/);
    assert.ok(!('gateway' in asked[0]) && !('ufrag' in asked[0]));
    const sent = description('answer');
    assert.equal(await door.outgoing(sent), sent);
    assert.equal(asked.length, 2);
    assert.equal(asked[1].ufrag, 'Xk3d');
    assert.equal(asked[1].holder, asked[0].holder);
    assert.ok(!('password' in asked[1]), 'nobody needs it');
    await door.outgoing(sent);
    assert.equal(asked.length, 2, 'once is enough');
});

test('two doors are two holders', async () => {
    await open({server: 'https://edge.example', ticket: 't'});
    await open({server: 'https://edge.example', ticket: 't'});
    assert.notEqual(asked[0].holder, asked[1].holder);
});

test('the password is told where checks are answered early', async () => {
    answers.push([200, {...joined, stun: 'early'}]);
    const door = await open({server: 'https://edge.example', ticket: 't'});
    await door.outgoing(description('answer'));
    assert.equal(asked[1].password, '0123456789012345678901');
});

// An open door, and a server that says nothing more until it is told to.
async function slowServer(options = {}) {
    const door = await open({server: 'https://edge.example', ticket: 't', ...options});
    let tell;
    const slow = new Promise((resolve) => { tell = resolve; });
    const {fetch} = globalThis;
    globalThis.fetch = async (...args) => { await slow; return fetch(...args); };
    const isThere = async (promise) => {
        let there = false;
        promise.then(() => { there = true; });
        await new Promise((resolve) => setTimeout(resolve, 20));
        return there;
    };
    return {door, tell, isThere};
}

test('no description waits for the server', async () => {
    const {door, tell, isThere} = await slowServer();
    assert.ok(await isThere(door.outgoing(description('offer'))));
    assert.ok(await isThere(door.outgoing(description('answer', withUfrag('Zk5f')))));
    assert.ok(await isThere(door.incoming(description('answer', withUfrag('Yk4e')))));
    assert.equal(await isThere(door.registered), false);
    tell();
    await door.registered;
    assert.deepEqual(asked.map(({ufrag}) => ufrag), [undefined, 'Xk3d', 'Zk5f']);
});

test('but whether both are on one LAN is known when the answer comes in', async () => {
    answers.push([200, {...joined, gateway: 'office', candidates: [lan]}], [200, {...joined, direct: true, gateway: 'office'}]);
    const {door, tell, isThere} = await slowServer({gateway: 'office'});
    assert.ok(await isThere(door.outgoing(description('offer'))));
    const got = door.incoming(description('answer', withUfrag('Yk4e')));
    assert.equal(await isThere(got), false);
    tell();
    assert.equal((await got).sdp, withUfrag('Yk4e'));
});

const bare = withUfrag('far1').replace(/^a=candidate:.*\r\n/m, '');
const ownCandidate = (port, more = {}) => ({candidate: `candidate:1 1 udp 9 10.0.0.1 ${port} typ host`, sdpMid: '0', sdpMLineIndex: 0, ...more});

test('an offer takes along the candidates that follow it at once', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    const [first, second, others] = [ownCandidate(5), ownCandidate(6), ownCandidate(7, {sdpMid: '1', sdpMLineIndex: 1})];
    const offered = door.outgoing(description('offer', bare));
    const sent = [door.outgoing(first)];
    await new Promise((resolve) => { setTimeout(resolve); });
    sent.push(door.outgoing(second), door.outgoing(others));
    const {type, sdp} = await offered;
    assert.equal(type, 'offer');
    assert.equal(sdp.replace(/^a=candidate:.*\r\n/gm, ''), bare, 'nothing else is touched');
    assert.ok(sdp.indexOf('a=candidate:') < sdp.indexOf('m=video'));
    const alone = (await Promise.all(sent)).filter(Boolean); // of one timer or the next
    assert.equal(sdp.match(/^a=candidate:/gm).length + alone.length, 3);
    assert.ok(sdp.includes(`a=${first.candidate}\r\n`));
    assert.ok(alone.includes(others), 'which is of a section of its own');
    const late = ownCandidate(8);
    assert.equal(await door.outgoing(late), late);
});

test('and goes without them where they are late, or in it, and so does an answer', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    for (const x of [description('offer', bare), description('offer'), description('answer', bare)]) assert.equal(await door.outgoing(x), x);
    const [sent, behind] = [description('answer', bare), ownCandidate(5)];
    assert.deepEqual(await Promise.all([door.outgoing(sent), door.outgoing(behind)]), [sent, behind]);
});

test('candidates do not overtake the description that they belong to', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    const candidate = {candidate: 'candidate:1 1 udp 1 10.0.0.1 5 typ host', sdpMid: '0'};
    const { fetch } = globalThis;
    globalThis.fetch = async (...args) => { await new Promise((resolve) => setTimeout(resolve, 20)); return fetch(...args); };
    const order = [];
    const note = (promise, text) => promise.then(() => order.push(text), () => order.push(`${text}: refused`));
    await Promise.all([note(door.outgoing(description('answer')), 'answer'), note(door.outgoing(candidate), 'candidate')]);
    await door.incoming(description('offer', withUfrag('far1')));
    await Promise.all([note(door.incoming(description('offer', withUfrag('far2'))), 'restart'), note(door.incoming(candidate), 'candidate')]);
    answers.push(problem(404, 'no_such_session'));
    await Promise.all([note(door.outgoing(description('answer', withUfrag('own2'))), 'answer'), note(door.outgoing(candidate), 'candidate')]);
    assert.deepEqual(order, ['answer', 'candidate', 'restart', 'candidate', 'answer', 'candidate']);
    await assert.rejects(door.registered, {code: 'no_such_session'});
});

// A call of this browser's; whether its answer, and how long after it, came with which candidates.
async function answered(userAgent, sdp = withUfrag('far1')) {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    await door.outgoing(description('offer'));
    const agent = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    Object.defineProperty(globalThis, 'navigator', {value: {userAgent}, configurable: true});
    const began = Date.now();
    const came = door.incoming(description('answer', sdp));
    const behind = [
        {candidate: 'candidate:1 1 udp 9 10.0.0.1 5 typ host', sdpMid: '0', sdpMLineIndex: 0},
        {candidate: 'candidate:2 1 udp 8 10.0.0.1 6 typ host', sdpMid: null, sdpMLineIndex: 0},
        {candidate: 'candidate:3 1 udp 7 10.0.0.1 7 typ host', sdpMid: '1', sdpMLineIndex: 1},
        {candidate: '', sdpMid: '0'},
    ];
    const passed = await Promise.all(behind.map((c) => door.incoming(c)));
    if (agent) Object.defineProperty(globalThis, 'navigator', agent); else delete globalThis.navigator;
    assert.deepEqual(passed, behind, 'they pass all the same');
    return {ms: Date.now() - began, lines: (await came).sdp.split('\r\n').filter((line) => line.startsWith('a=candidate:'))};
}

test('for Firefox that called, candidates that follow an answer get a start', async () => {
    const {ms, lines} = await answered('Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', bare);
    assert.ok(ms >= 90, `it took ${ms} ms`);
    assert.deepEqual(lines.map((line) => line.split(' ')[0].slice(12)), ['1', '2', 'sallyport0', 'sallyport1']);
});

test('and for no other, nor where they are there', async () => {
    assert.equal((await answered('Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36', bare)).lines.length, 2);
    assert.equal((await answered('Mozilla/5.0 Gecko/20100101 Firefox/140.0')).lines.length, 3);
});

test('nor where Firefox was called', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    Object.defineProperty(globalThis, 'navigator', {value: {userAgent: 'Mozilla/5.0 Firefox/140.0'}, configurable: true});
    const offered = door.incoming(description('offer', bare));
    door.incoming({candidate: 'candidate:1 1 udp 9 10.0.0.1 5 typ host', sdpMid: '0'});
    assert.equal((await offered).sdp.match(/a=candidate:/g).length, 2);
    delete globalThis.navigator;
});

test('what comes in gets the places of the server, by UDP and TCP', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    const got = await door.incoming(description('offer'));
    assert.equal(got.type, 'offer');
    assert.deepEqual(candidatesOf(got.sdp).map((line) => line.split(' ')[2]), ['udp', 'tcp']);
});

test('with a gateway it gets those on the LAN alone', async () => {
    answers.push([200, {...joined, gateway: 'office', candidates: [lan]}]);
    const door = await open({server: 'https://edge.example', ticket: 't', gateway: 'office'});
    assert.equal(asked[0].gateway, 'office');
    assert.equal(door.gateway, 'office');
    const got = await door.incoming(description('offer'));
    assert.deepEqual(candidatesOf(got.sdp), [candidateLine({...lan, way: 'tunnel'}, 0)]);
});

test('both on one gateway need nothing', async () => {
    answers.push([200, {...joined, direct: true, gateway: 'office', candidates: []}]);
    const door = await open({server: 'https://edge.example', ticket: 't', gateway: 'office'});
    assert.equal(door.direct, true);
    assert.equal((await door.incoming(description('offer'))).sdp, offer);
});

test('and who came first learns it with his answer', async () => {
    answers.push([200, {...joined, gateway: 'office', candidates: [lan]}], [200, {...joined, direct: true, gateway: 'office'}]);
    const door = await open({server: 'https://edge.example', ticket: 't', gateway: 'office'});
    await door.outgoing(description('offer'));
    assert.equal((await door.incoming(description('answer', withUfrag('Yk4e')))).sdp, withUfrag('Yk4e'));
    assert.equal(door.direct, true);
});

for (const [status, code] of [[503, 'no_gateway'], [503, 'gateway_full'], [403, 'gateway_refused']])
    test(`a gateway that can't (${code}) is done without`, async () => {
        answers.push(problem(status, code));
        const door = await open({server: 'https://edge.example', ticket: 't', gateway: 'office'});
        assert.equal(asked.length, 2);
        assert.ok(!('gateway' in asked[1]));
        assert.equal(door.gateway, undefined);
        assert.equal(warnings.length, 1);
        assert.equal(candidatesOf((await door.incoming(description('offer'))).sdp).length, 2);
    });

test('other refusals are thrown, with what the server said', async () => {
    answers.push(problem(409, 'ticket_used'));
    await assert.rejects(open({server: 'https://edge.example', ticket: 't', gateway: 'office'}), (error) => {
        assert.ok(error instanceof SallyportError);
        assert.deepEqual([error.status, error.code, error.field, error.retryAfter, error.message], [409, 'ticket_used', '/gateway', 5, 'it is ticket_used']);
        return true;
    });
    for (const said of ['no JSON object', null]) {
        answers.push([500, said]);
        await assert.rejects(open({server: 'https://edge.example', ticket: 't'}), {name: 'SallyportError', status: 500});
    }
});

test('a session that ended keeps nobody from calling directly', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    answers.push(problem(404, 'no_such_session'));
    const sent = description('answer');
    assert.equal(await door.outgoing(sent), sent);
    await assert.rejects(door.registered, {code: 'no_such_session'});
    assert.equal(warnings.length, 1);
    await door.outgoing(sent);
    await door.registered;
    assert.equal(asked.length, 3, 'it is tried again');
});

test('when ICE restarts the gateway is asked again, and the new ufrag told', async () => {
    answers.push([200, {...joined, gateway: 'office', candidates: [lan]}]);
    const door = await open({server: 'https://edge.example', ticket: 't', gateway: 'office'});
    await door.incoming(description('offer', withUfrag('far1')));
    await door.outgoing(description('answer', withUfrag('own1')));
    assert.equal(asked.length, 2);
    await door.incoming(description('offer', withUfrag('far1')));
    assert.equal(asked.length, 2, 'a new offer alone is no restart');
    answers.push([200, {...joined, gateway: 'office', candidates: [{...lan, port: 6}]}]);
    const got = await door.incoming(description('offer', withUfrag('far2')));
    assert.equal(asked[2].gateway, 'office');
    assert.match(candidatesOf(got.sdp)[0], / 192\.168\.1\.5 6 /);
    await door.outgoing(description('answer', withUfrag('own2')));
    assert.equal(asked[3].ufrag, 'own2');
});

test('candidates, and the end of them, pass as they are', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    for (const x of [{candidate: 'candidate:1 1 udp 1 10.0.0.1 5 typ host', sdpMid: '0', sdpMLineIndex: 0}, {candidate: ''}, {type: 'rollback'}, {type: 'rollback', sdp: ''}]) {
        assert.equal(await door.outgoing(x), x);
        assert.equal(await door.incoming(x), x);
    }
    for (const none of [null, undefined]) {
        assert.equal(await door.outgoing(none), null);
        assert.equal(await door.incoming(none), null);
    }
    assert.equal(asked.length, 1);
});

test('what is no SDP passes untouched, with a warning', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    for (const sdp of ['hello', 'v=0\r\n']) {
        const x = description('offer', sdp);
        assert.equal(await door.incoming(x), x);
        assert.equal(await door.outgoing(x), x);
    }
    assert.equal(warnings.length, 4);
    assert.equal(asked.length, 1);
});

test('path() tells by which way the call goes', async () => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    const stats = (remote, local, pair = {}) => ({getStats: async () => new Map(Object.entries({
        T: {type: 'transport', selectedCandidatePairId: 'P'},
        P: {type: 'candidate-pair', state: 'succeeded', remoteCandidateId: 'R', localCandidateId: 'L', ...pair},
        R: {type: 'remote-candidate', candidateType: 'host', ...remote},
        L: {type: 'local-candidate', candidateType: 'host', ...local},
    }))});
    assert.equal(await door.path(stats(tcp)), 'ice-tcp');
    assert.equal(await door.path(stats(udp)), 'udp');
    assert.equal(await door.path(stats({...udp, protocol: 'tcp'})), 'direct');
    assert.equal(await door.path(stats({address: '10.0.0.1', port: 5, protocol: 'udp'})), 'direct');
    assert.equal(await door.path(stats({address: '10.0.0.1', port: 5, protocol: 'udp'}, {candidateType: 'relay'})), 'relay');
    assert.equal(await door.path({getStats: async () => new Map()}), null);
    /* Firefox has no selectedCandidatePairId */
    const pc = stats(tcp, {}, {selected: true});
    const {getStats} = pc;
    pc.getStats = async () => { const all = await getStats(); all.delete('T'); return all; };
    assert.equal(await door.path(pc), 'ice-tcp');
    for (let port = 1000; port < 1200; port++) { // a gateway that comes back again and again
        answers.push([200, {...joined, gateway: 'office', candidates: [{...lan, port}]}], [200, {...joined, gateway: 'office', candidates: [{...lan, port}]}]);
        await door.join();
        await door.join();
    }
    assert.equal(await door.path(stats({...lan, port: 1199})), 'tunnel');
    assert.equal(await door.path(stats({...lan, port: 1150})), 'tunnel', 'the call may still go by an old one');
    assert.equal(await door.path(stats({...lan, port: 1000})), 'direct', 'but not for ever');
});

// --- a path that is lost -----------------------------------------------------------------------------

function makePeer() {
    const pc = new EventTarget();
    Object.assign(pc, {iceConnectionState: 'new', signalingState: 'stable', restarts: 0, restartIce: () => { pc.restarts++; }});
    pc.become = (state) => { pc.iceConnectionState = state; pc.dispatchEvent(new Event('iceconnectionstatechange')); };
    return pc;
}

// Time stands still until the test lets it pass. (Node 18 has no such thing that later ones have, too.)
function stopClock(t) {
    const {setTimeout, clearTimeout} = globalThis;
    let now = 0, timers = [];
    globalThis.setTimeout = (fn, ms) => { const timer = {fn, at: now + ms}; timers.push(timer); return timer; };
    globalThis.clearTimeout = (timer) => { timers = timers.filter((x) => x !== timer); };
    t.after(() => Object.assign(globalThis, {setTimeout, clearTimeout}));
    return (ms) => {
        now += ms;
        for (let next; (next = timers.find(({at}) => at <= now)); next.fn()) globalThis.clearTimeout(next);
    };
}

test('who called restarts ICE when the path is lost for good, or for long', async (t) => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    const pc = makePeer();
    await door.outgoing(description('offer'));
    const pass = stopClock(t);
    door.keep(pc, () => assert.fail('nobody is asked'));
    pc.become('connected');
    pc.become('disconnected');
    pass(900);
    pc.become('connected');
    pass(60000);
    assert.equal(pc.restarts, 0, 'it came back by itself');
    pc.become('disconnected');
    pass(1000);
    assert.equal(pc.restarts, 1);
    pass(9000);
    assert.equal(pc.restarts, 1, 'it takes a while');
    pass(1000);
    assert.equal(pc.restarts, 2, 'it is tried again');
    pc.become('failed');
    pass(1);
    assert.equal(pc.restarts, 3, 'nobody waits then');
    pc.signalingState = 'have-local-offer';
    pass(10000);
    assert.equal(pc.restarts, 3, 'an offer is on its way');
    pc.become('closed');
    pc.signalingState = 'stable';
    pass(60000);
    assert.equal(pc.restarts, 3);
});

test('who was called asks for it', async (t) => {
    const door = await open({server: 'https://edge.example', ticket: 't'});
    const pc = makePeer();
    let asks = 0;
    await door.incoming(description('offer'));
    const pass = stopClock(t);
    door.keep(pc, () => { asks++; });
    pc.become('failed');
    pass(1);
    assert.deepEqual([asks, pc.restarts], [1, 0]);
    const silent = makePeer();
    door.keep(silent);
    silent.become('failed');
    pass(1);
    assert.equal(silent.restarts, 0);
});

// --- what is published -------------------------------------------------------------------------------

const published = (name) => readFileSync(new URL(`../../../client/js/${name}`, import.meta.url), 'utf8');

test('the package has what its description names, and its types say what there is', () => {
    const {exports, types, files} = JSON.parse(published('package.json'));
    for (const path of [types, exports['.'].types, exports['.'].default]) {
        assert.ok(files.includes(path.replace('./', '')), path);
        assert.ok(published(path).length > 0);
    }
    const declared = [...published(types).matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(declared.sort(), Object.keys(whole).sort());
});
