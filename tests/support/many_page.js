// SPDX-License-Identifier: GPL-2.0-or-later
//
// The calls of many.html: one camera and one microphone, sent by as many connections as asked. Like call_page.js
// it gets what the other side said by callPage.receive and says its own by window.signal; each message
// carries the number of its call.
'use strict';

const SMALL = { width: 160, height: 120, frameRate: 10 };

const callPage = (() => {
    let calls; // RTCPeerConnections
    const sinks = []; // of what arrives: who plays nothing may not decode either

    async function prepare({ count, iceServers, iceTransportPolicy }) {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: SMALL });
        calls = Array.from({ length: count }, (_, call) => {
            const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy });
            pc.onicecandidate = ({ candidate }) => candidate && window.signal({ call, candidate: candidate.toJSON() });
            pc.ontrack = ({ track }) => track.kind === 'video' && play(track);
            stream.getTracks().forEach(track => pc.addTrack(track, stream));
            return pc;
        });
    }

    function play(track) {
        const sink = document.createElement('video');
        Object.assign(sink, { autoplay: true, muted: true, srcObject: new MediaStream([track]) });
        document.body.append(sink);
        sinks.push(sink);
    }

    function offer() {
        return Promise.all(calls.map(async (pc, call) => {
            await pc.setLocalDescription();
            window.signal({ call, description: pc.localDescription.toJSON() });
        }));
    }

    async function receive({ call, description, candidate }) {
        const pc = calls[call];
        if (candidate)
            return pc.addIceCandidate(candidate);
        await pc.setRemoteDescription(description);
        if (description.type === 'offer') {
            await pc.setLocalDescription();
            window.signal({ call, description: pc.localDescription.toJSON() });
        }
    }

    // How each call stands: what arrived, and by which addresses.
    function report() {
        return Promise.all(calls.map(async pc => {
            const stats = await pc.getStats();
            const all = [...stats.values()];
            const inbound = kind => all.find(s => s.type === 'inbound-rtp' && s.kind === kind);
            const pair = stats.get(all.find(s => s.type === 'transport')?.selectedCandidatePairId);
            const address = id => { const c = pair && stats.get(id); return c && `${c.candidateType} ${c.address}:${c.port}`; };
            return {
                state: pc.connectionState, frames: inbound('video')?.framesDecoded ?? 0,
                audio_packets: inbound('audio')?.packetsReceived ?? 0,
                local: address(pair?.localCandidateId), remote: address(pair?.remoteCandidateId),
            };
        }));
    }

    return { prepare, offer, receive, report };
})();
