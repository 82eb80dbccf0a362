// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two browsers meet by a session of a sallyport server, each behind whatever wall it is behind. An
// application goes on signalling as it did, and lets what it sends and receives pass through a door:
//
//     const door = await open({server: 'https://edge.example', ticket, gateway: 'office'});
//     send(await door.outgoing(pc.localDescription));             // null: nothing to send
//     await pc.setRemoteDescription(await door.incoming(received));
//
// What passes on its way out tells the server this browser's ICE user fragment, by which it knows
// whose checks arrive. What comes in gets one kind of candidate more: where the far end is to be met,
// at the gateway on this LAN or at the server itself. Nothing else of an SDP is touched, and a direct
// path stays preferred.

/** A refusal of the server, as its problem document says it (API.md). */
export class SallyportError extends Error {
    constructor(problem, status, retryAfter) {
        super(problem?.detail ?? `the server answered ${status}`);
        this.name = 'SallyportError';
        this.status = status;
        this.code = problem?.code;
        this.field = problem?.field;
        this.retryAfter = retryAfter;
    }
}

// Above a TURN relay's (RFC 8445 section 5.1.2: 0, in Chromium up to 2), far below what is direct.
const typePreference = {tunnel: 5, udp: 4, 'ice-tcp': 1};
const priorityOf = (way, i) => typePreference[way] * 2 ** 24 + (65535 - i) * 2 ** 8 + 255;

// What went wrong with the gateway alone: there are other ways.
const withoutGateway = new Set(['no_gateway', 'gateway_full', 'gateway_refused']);

// Firefox, where it called, keeps the first path that answers, and looks at no candidate that comes later. So the far end's own
// ones, where they follow their description, get a start before the server's.
const headStartMs = 100;
// A browser knows its own addresses a few milliseconds after its offer: so long it waits for them, and takes them along. Where they
// follow alone, the far end begins with the server's places, and with a direct path a round trip and Chromium's pause between checks later.
const gatherMs = 10;
// A path that is lost may come back by itself, but nobody waits long for it; and what a restart of ICE began may take
// longer, where a gateway has to be waited for.
const patienceMs = 1000;
const nextTryMs = 10000;
const takesTheFirst = () => / Firefox\//.test(globalThis.navigator?.userAgent ?? '');

// --- SDP ---------------------------------------------------------------------------------------------

// The lines of an SDP, and where its media sections begin; null: it is none.
function parse(sdp) {
    if (typeof sdp !== 'string' || !sdp.startsWith('v=0')) return null;
    const end = sdp.includes('\r\n') ? '\r\n' : '\n';
    const lines = sdp.split(end);
    const starts = lines.flatMap((line, i) => (line.startsWith('m=') ? [i] : []));
    return starts.length > 0 ? {lines, starts, end} : null;
}

const valueOf = (line, name) => (line.startsWith(`a=${name}:`) ? line.slice(name.length + 3).trim() : undefined);

/** The ICE credentials of an SDP: {ufrag, password}; null if there are none. */
export function credentialsOf(sdp) {
    const parsed = parse(sdp);
    const first = (name) => parsed?.lines.map((line) => valueOf(line, name)).find(Boolean);
    const ufrag = first('ice-ufrag');
    return ufrag ? {ufrag, password: first('ice-pwd')} : null;
}

// The section whose transport carries all: that of the BUNDLE group's first member, or else the first
// one that is not rejected.
function transportSection({lines, starts}) {
    const sections = starts.map((start, i) => ({start, stop: starts[i + 1] ?? lines.length}));
    const bundle = lines.slice(0, starts[0]).map((line) => valueOf(line, 'group')).find((group) => group?.startsWith('BUNDLE '));
    const mid = bundle?.split(' ')[1];
    const has = ({start, stop}, wanted) => lines.slice(start, stop).some((line) => valueOf(line, 'mid') === wanted);
    const isOpen = ({start}) => lines[start].split(' ')[1] !== '0';
    return (mid && sections.find((section) => has(section, mid))) ?? sections.find(isOpen) ?? sections[0];
}

/** A candidate line (RFC 8839 section 5.1, RFC 6544) for a place of the server's or a gateway's. */
export function candidateLine({protocol, address, port, way}, i) {
    const passive = protocol === 'tcp' ? ' tcptype passive' : '';
    return `a=candidate:sallyport${i} 1 ${protocol} ${priorityOf(way, i)} ${address} ${port} typ host${passive}`;
}

// The SDP with these lines at the end of the section that carries all; null: it can't be parsed.
function withLines(sdp, wanted) {
    const parsed = parse(sdp);
    if (!parsed) return null;
    const {lines, end} = parsed;
    const {start, stop} = transportSection(parsed);
    const missing = wanted.filter((line) => !lines.slice(start, stop).includes(line));
    let at = stop;
    while (at > start + 1 && (lines[at - 1] === '' || lines[at - 1] === 'a=end-of-candidates')) at--;
    return [...lines.slice(0, at), ...missing, ...lines.slice(at)].join(end);
}

/** The SDP with these places as candidates more; null: it can't be parsed. */
export const withCandidates = (sdp, places) => withLines(sdp, places.map(candidateLine));

// Whether candidates are to follow: none is there yet.
const isBare = (sdp) => !/^a=candidate:/m.test(sdp);

// Of candidates that followed an SDP, the lines of those for the section that carries all.
function linesOf(sdp, candidates) {
    const parsed = parse(sdp);
    if (!parsed) return [];
    const {start, stop} = transportSection(parsed);
    const mid = parsed.lines.slice(start, stop).map((line) => valueOf(line, 'mid')).find(Boolean);
    const isOf = ({sdpMid, sdpMLineIndex}) => (sdpMid ? sdpMid === mid : parsed.starts[sdpMLineIndex] === start);
    return candidates.filter((c) => c.candidate && isOf(c)).map(({candidate}) => `a=${candidate}`);
}

// --- the door ----------------------------------------------------------------------------------------

const knownMax = 64; // a gateway that comes back has another port each time

const samePlace = (a, b) => a.protocol === b.protocol && a.address === b.address && a.port === b.port && a.way === b.way;

const isDescription = (x) => typeof x.sdp === 'string' && x.sdp !== '';

// 24 characters of base64url.
function makeHolder() {
    const bytes = crypto.getRandomValues(new Uint8Array(18));
    return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
}

// Runs what it is given one after the other: a candidate may not overtake the description that it belongs to.
function inOrder() {
    let last = Promise.resolve();
    return (step) => {
        const result = last.then(step);
        last = result.catch(() => {});
        return result;
    };
}

class Door {
    #url;
    #ticket;
    #gateway;
    #holder = makeHolder();
    #joined; // what the server said last
    #places = []; // where the far end is to be met
    #known = []; // all that were ever told, for path()
    #own; // ufrag that the server knows
    #far;
    #registering = Promise.resolve();
    #wayOut = inOrder();
    #wayIn = inOrder();
    #behind = []; // what was received since the last description
    #following = new Set(); // candidates that are to be sent behind it
    #followed = () => {}; // whoever waits for one of them
    #called; // this side made the first offer

    constructor({server, ticket, gateway}) {
        this.#url = new URL('/v1/end', server).href;
        this.#ticket = ticket;
        this.#gateway = gateway;
    }

    /** Both ends are on one gateway's LAN, and need nothing in between. */
    get direct() {
        return this.#joined.direct;
    }

    /** The gateway that opened this end; undefined: none, or it could not. */
    get gateway() {
        return this.#joined.gateway || undefined;
    }

    async #put(members) {
        const response = await fetch(this.#url, {
            method: 'PUT',
            headers: {Authorization: `Bearer ${this.#ticket}`, 'Content-Type': 'application/json'},
            body: JSON.stringify({holder: this.#holder, ...members}),
            cache: 'no-store',
            credentials: 'omit',
        });
        const said = await response.json().catch(() => ({}));
        if (response.ok) return said;
        throw new SallyportError(said, response.status, Number(response.headers.get('Retry-After')) || undefined);
    }

    /** Takes the end, and asks where the far end is to be met. By open(), and when ICE restarts. */
    async join() {
        const joined = await this.#put(this.#gateway ? {gateway: this.#gateway} : {}).catch((error) => {
            if (!this.#gateway || !withoutGateway.has(error.code)) throw error;
            console.warn(`sallyport: the gateway "${this.#gateway}" can't be used (${error.message}): by ICE-TCP or UDP to the server`);
            return this.#put({});
        });
        const wayOf = (protocol) => (joined.gateway ? 'tunnel' : protocol === 'tcp' ? 'ice-tcp' : 'udp');
        this.#joined = joined;
        this.#places = joined.direct ? [] : joined.candidates.map((c) => ({...c, way: wayOf(c.protocol)}));
        const isOld = (known) => !this.#places.some((place) => samePlace(place, known));
        this.#known = [...this.#known.filter(isOld), ...this.#places].slice(-knownMax);
    }

    // One after the other, so that the newest is what the server hears last.
    #register({ufrag, password}) {
        const members = this.#joined.stun === 'early' && password ? {ufrag, password} : {ufrag};
        this.#own = ufrag;
        this.#registering = this.#registering
            .catch(() => {})
            .then(() => this.#put(members))
            .then(({direct}) => {
                this.#joined.direct = direct;
                if (direct) this.#places = [];
            });
        this.#registering.catch((error) => {
            console.warn(`sallyport: the server does not know this browser (${error.message}): only a direct path is left`);
            if (this.#own === ufrag) this.#own = undefined; // with the next description it is tried again
        });
    }

    /** Settles when the server knows the ufrag that was sent last; rejects when it does not want to. */
    get registered() {
        return this.#registering;
    }

    /**
     * What to send instead of a local description or candidate; null: nothing. Nothing is kept waiting for the server, which
     * hears of it at the same time: the far end's checks wait there if they come first. What is asked one after the other is
     * answered in that order.
     */
    outgoing(x) {
        if (x && !isDescription(x)) {
            this.#following.add(x);
            this.#followed();
        }
        return this.#wayOut(() => this.#outgoing(x));
    }

    /** What to give to the peer connection instead of what was received; null: nothing. In order as well. */
    incoming(x) {
        if (x && isDescription(x)) this.#behind = [];
        else if (x) this.#behind.push(x);
        const behind = this.#behind;
        return this.#wayIn(() => this.#incoming(x, behind));
    }

    async #outgoing(x) {
        if (!x) return null;
        if (!isDescription(x)) return this.#following.delete(x) ? x : null;
        this.#called ??= x.type === 'offer';
        const own = credentialsOf(x.sdp);
        if (!own) console.warn('sallyport: no ICE credentials in the local description; it is passed on as it is');
        else if (own.ufrag !== this.#own) this.#register(own);
        return x.type === 'offer' && isBare(x.sdp) ? this.#withFirst(x) : x;
    }

    // With the candidates that follow it at once, which need not be sent alone.
    async #withFirst(offer) {
        const {type, sdp} = offer;
        const late = new Promise((resolve) => { setTimeout(resolve, gatherMs); });
        if (this.#following.size === 0) await Promise.race([late, new Promise((resolve) => { this.#followed = resolve; })]);
        if (this.#following.size > 0) await new Promise((resolve) => { setTimeout(resolve); }); // its other addresses
        this.#followed = () => {};
        const taken = [...this.#following].filter((candidate) => linesOf(sdp, [candidate]).length > 0);
        for (const candidate of taken) this.#following.delete(candidate);
        return taken.length > 0 ? {type, sdp: withLines(sdp, linesOf(sdp, taken))} : offer;
    }

    async #withHeadStart(sdp, behind) {
        if (!this.#called || this.#places.length === 0 || !takesTheFirst() || !isBare(sdp)) return sdp;
        await new Promise((resolve) => { setTimeout(resolve, headStartMs); });
        return withLines(sdp, linesOf(sdp, behind)) ?? sdp;
    }

    async #incoming(x, behind) {
        if (!x) return null;
        if (!isDescription(x)) return x;
        this.#called ??= x.type !== 'offer';
        const far = credentialsOf(x.sdp)?.ufrag;
        if (this.gateway && x.type !== 'offer') await this.#registering.catch(() => {}); // which says whether both are on one LAN
        if (far && this.#far && far !== this.#far) await this.join(); // ICE restarts: the gateway may be another by now
        this.#far = far ?? this.#far;
        const sdp = withCandidates(await this.#withHeadStart(x.sdp, behind), this.#places);
        if (sdp === null) console.warn('sallyport: what was received is no SDP; it is passed on as it is');
        return sdp === null ? x : {type: x.type, sdp};
    }

    /**
     * Restarts ICE whenever the call's path is lost, since a gateway that was restarted has other ports, and without one
     * there is the server itself: by pc.restartIce(), so that the browser wants an offer ('negotiationneeded'). Only
     * the side that called does, or two offers would meet; on the other one `ask` is called, which may tell it to.
     */
    keep(pc, ask) {
        let timer;
        const isLost = () => ['disconnected', 'failed'].includes(pc.iceConnectionState);
        const look = () => {
            if (!isLost()) return;
            if (!this.#called) ask?.();
            else if (pc.signalingState === 'stable') pc.restartIce();
            timer = setTimeout(look, nextTryMs);
        };
        pc.addEventListener('iceconnectionstatechange', () => {
            clearTimeout(timer);
            if (isLost()) timer = setTimeout(look, pc.iceConnectionState === 'failed' ? 0 : patienceMs);
        });
    }

    /**
     * By which way the call goes: 'direct', 'relay' (TURN), 'tunnel' (the gateway's), 'ice-tcp', 'udp' (both to the server);
     * null: by none yet.
     */
    async path(pc) {
        const stats = await pc.getStats();
        const all = [...stats.values()];
        const selected = all.find((s) => s.type === 'transport' && s.selectedCandidatePairId)?.selectedCandidatePairId;
        const pair = stats.get(selected) ??
            all.find((s) => s.type === 'candidate-pair' && s.state === 'succeeded' && (s.selected || s.nominated));
        const remote = stats.get(pair?.remoteCandidateId);
        const local = stats.get(pair?.localCandidateId);
        if (!remote || !local) return null;
        const place = this.#known.findLast((p) => p.port === remote.port && p.protocol === remote.protocol &&
            [p.address, `[${p.address}]`].includes(remote.address ?? remote.ip));
        if (place) return place.way;
        return local.candidateType === 'relay' || remote.candidateType === 'relay' ? 'relay' : 'direct';
    }
}

/**
 * Takes the end that the ticket is for. Without a gateway, or when it can't be reached, the way is by ICE-TCP or UDP to the
 * server itself. Throws SallyportError, or what fetch() throws.
 */
export async function open({server, ticket, gateway}) {
    const door = new Door({server, ticket, gateway});
    await door.join();
    return door;
}
