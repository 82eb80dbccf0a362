// SPDX-License-Identifier: GPL-2.0-or-later
//
// The calls of session.html: an application that uses sallyport.js as its README says. One camera and one microphone
// for all calls. What the other side said comes by callPage.receive, what this one says goes to window.signal, as
// text; each message carries the name of its call. Nothing here waits for one message before it takes the next.
import { open } from '/v1/sallyport.js';

const SMALL = { width: 160, height: 120, frameRate: 10 };

const calls = new Map();
let stream;

async function prepare() {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: SMALL });
}

// `whole`: descriptions wait for all candidates; `caller`: this side makes the offers.
class Call {
    constructor({ name, whole, caller }, door) {
        this.name = name;
        this.whole = whole;
        this.caller = caller;
        this.door = door;
        this.restarts = 0;
        this.errors = [];
        this.pc = new RTCPeerConnection();
        this.pc.onicecandidate = ({ candidate }) => whole || this.say(candidate);
        door.keep(this.pc);
        this.pc.ontrack = ({ track }) => track.kind === 'video' && this.play(track);
        stream.getTracks().forEach(track => this.pc.addTrack(track, stream));
    }

    async say(x) {
        const out = await this.door.outgoing(x).catch(error => this.errors.push(error.message) && null);
        if (out)
            window.signal(JSON.stringify({ call: this.name, x: out }));
    }

    async describe() {
        await this.pc.setLocalDescription();
        if (this.whole)
            await this.gathered();
        await this.say(this.pc.localDescription);
    }

    // The state alone may still be that of the description before.
    async gathered() {
        const { pc } = this;
        while (pc.iceGatheringState !== 'complete' || !pc.localDescription.sdp.includes('a=candidate:'))
            await new Promise(resolve => { setTimeout(resolve, 10); });
    }

    async hear(x) {
        if (!x.sdp)
            return this.pc.addIceCandidate(await this.door.incoming(x));
        await this.pc.setRemoteDescription(await this.door.incoming(x));
        if (x.type === 'offer')
            await this.describe();
    }

    // When ICE restarts, by the door's will or the test's, the browser wants an offer.
    async call() {
        await this.describe();
        this.pc.onnegotiationneeded = () => {
            this.restarts++;
            this.describe().catch(error => this.errors.push(error.message));
        };
    }

    // Who plays nothing may not decode either.
    play(track) {
        this.sink = document.createElement('video');
        Object.assign(this.sink, { autoplay: true, muted: true, srcObject: new MediaStream([track]) });
        document.body.append(this.sink);
    }

    async report() {
        const stats = await this.pc.getStats();
        const all = [...stats.values()];
        const chosen = all.find(s => s.type === 'transport')?.selectedCandidatePairId;
        const used = stats.get(stats.get(chosen)?.localCandidateId);
        const inbound = kind => all.find(s => s.type === 'inbound-rtp' && s.kind === kind);
        const ufrag = sdp => /^a=ice-ufrag:(\S+)/m.exec(sdp ?? '')?.[1];
        return {
            way: await this.door.path(this.pc), ice: this.pc.iceConnectionState, direct: this.door.direct, restarts: this.restarts,
            frames: inbound('video')?.framesDecoded ?? 0, voice: inbound('audio')?.packetsReceived ?? 0,
            ufrag: ufrag(this.pc.localDescription?.sdp), usedUfrag: used?.usernameFragment, errors: this.errors,
            candidates: (this.pc.remoteDescription?.sdp.match(/^a=candidate:.*$/gm) ?? []),
        };
    }

    hangUp() {
        this.pc.close();
        this.sink?.remove();
        calls.delete(this.name);
    }
}

async function begin({ ticket, gateway, ...how }) {
    const door = await open({ server: location.origin, ticket, gateway });
    calls.set(how.name, new Call(how, door));
}

function receive(text) {
    const { call: name, x } = JSON.parse(text);
    const call = calls.get(name);
    call?.hear(x).catch(error => call.errors.push(error.message));
}

// What a ticket is good for: nothing, if it can be taken.
async function refusal(ticket) {
    const { name, status, code } = await open({ server: location.origin, ticket }).catch(error => error);
    return name ? `${name} ${status} ${code}` : '';
}

window.callPage = {
    prepare, begin, receive, refusal,
    offer: name => calls.get(name).call(),
    restart: name => calls.get(name).pc.restartIce(),
    report: name => calls.get(name).report(),
    hangUp: name => calls.get(name).hangUp(),
};
