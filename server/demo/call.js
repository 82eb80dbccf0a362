// SPDX-License-Identifier: GPL-2.0-or-later
//
// A call of two by a session of this server, as an application makes it: sallyport.js opens the door, and what
// is said by the room passes through it. Events: track (detail: a stream), state (detail: the connection's).

import {open} from '/demo/sallyport.js';

export class Call extends EventTarget {
    #room;
    #pc;
    #door;
    #calls;
    #began = performance.now();
    #queue; // what comes in, one after the other
    #out = Promise.resolve(); // and what goes out

    /** `meeting`: what the room said. Connects at once. */
    constructor(room, stream, {ticket, gateway, calls}) {
        super();
        this.#room = room;
        this.#calls = calls;
        this.#pc = new RTCPeerConnection();
        const pc = this.#pc;
        for (const track of stream.getTracks()) pc.addTrack(track, stream);
        pc.ontrack = ({streams}) => this.#tell('track', streams[0]);
        pc.onconnectionstatechange = () => this.#onState();
        this.#queue = open({server: location.origin, ticket, gateway}).then(async (door) => {
            this.#door = door;
            pc.onicecandidate = ({candidate}) => this.#send(candidate);
            door.keep(pc, () => this.#room.say({again: true}));
            if (!this.#calls) return;
            await this.#offer();
            pc.onnegotiationneeded = () => this.#offer(); // when ICE restarts
        });
        this.#queue.catch((error) => this.#fail(error));
    }

    get peer() {
        return this.#pc;
    }

    /** The gateway on this network, if it opened this end. */
    get gateway() {
        return this.#door?.gateway;
    }

    /** By which way; null: by none yet. */
    async way() {
        return this.#door?.path(this.#pc) ?? null;
    }

    #tell(type, detail) {
        this.dispatchEvent(new CustomEvent(type, {detail}));
    }

    #fail(error) {
        console.warn('demo: the call failed', error);
        this.#tell('state', {name: 'failed', why: error.message});
    }

    // In the order in which it came about: a candidate is of no use before its description.
    #send(x) {
        this.#out = this.#out.then(async () => {
            const out = await this.#door.outgoing(x?.toJSON?.() ?? x);
            if (out) await this.#room.say(out);
        }).catch((error) => this.#fail(error));
        return this.#out;
    }

    async #offer() {
        await this.#pc.setLocalDescription();
        await this.#send(this.#pc.localDescription);
    }

    /** What the other one said. */
    hear(x) {
        this.#queue = this.#queue.then(() => this.#take(x)).catch((error) => this.#fail(error));
    }

    async #take(x) {
        const pc = this.#pc;
        if (pc.signalingState === 'closed') return;
        if (x.again) {
            pc.restartIce();
        } else if (x.sdp) {
            await pc.setRemoteDescription(await this.#door.incoming(x));
            if (x.type !== 'offer') return;
            await pc.setLocalDescription();
            await this.#send(pc.localDescription);
        } else {
            await pc.addIceCandidate(await this.#door.incoming(x));
        }
    }

    #onState() {
        const name = this.#pc.connectionState;
        this.#tell('state', {name, ms: performance.now() - this.#began});
    }

    close() {
        this.#pc.onconnectionstatechange = null;
        this.#pc.close();
    }
}
