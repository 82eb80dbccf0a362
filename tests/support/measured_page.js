// SPDX-License-Identifier: GPL-2.0-or-later
//
// The call of measured.html: camera and microphone both ways, one connection, and what getStats() says of it.
// Like call_page.js it gets what the other side said by callPage.receive and says its own by window.signal.
'use strict';

const callPage = (() => {
    // Of getStats(), by the kind of media: what sample() hands on.
    const INBOUND = {
        video: ['packetsReceived', 'packetsLost', 'bytesReceived', 'retransmittedBytesReceived', 'framesDecoded',
            'framesDropped', 'framesPerSecond', 'frameHeight', 'freezeCount', 'totalFreezesDuration', 'nackCount',
            'jitterBufferDelay', 'jitterBufferEmittedCount', 'qpSum'],
        audio: ['packetsReceived', 'packetsLost', 'bytesReceived', 'jitterBufferDelay', 'jitterBufferEmittedCount',
            'concealedSamples', 'silentConcealedSamples', 'totalSamplesReceived'],
    };
    const OUTBOUND = ['bytesSent', 'retransmittedBytesSent', 'framesEncoded', 'frameHeight', 'targetBitrate', 'qpSum',
        'qualityLimitationDurations'];
    const PAIR = ['availableOutgoingBitrate', 'currentRoundTripTime'];
    const CANDIDATE = ['candidateType', 'protocol', 'relayProtocol', 'address'];

    let pc, began;
    let door = { outgoing: x => x, incoming: x => x }; // a session's is sallyport.js's
    const seen = {}; // connect_ms, first_frame_ms

    const since = () => Math.round((performance.now() - began) * 10) / 10;
    const pick = (from, names) => from && Object.fromEntries(names.map(name => [name, from[name]]));

    async function say(kind, x) {
        const out = await door.outgoing(x);
        if (out)
            window.signal({ [kind]: out.toJSON?.() ?? out });
    }

    // `max_kbps`: of video. `codec`: of video, by its name. `server`: has a session, of which this `ticket` is.
    async function prepare({ iceServers, iceTransportPolicy, server, ticket, width, height, frameRate, max_kbps, codec }) {
        const video = document.getElementById('remote');
        if (ticket)
            door = await (await import(`${server}/v1/sallyport.js`)).open({ server, ticket });
        pc = new RTCPeerConnection({ iceServers, iceTransportPolicy });
        pc.onicecandidate = ({ candidate }) => candidate && say('candidate', candidate);
        pc.onconnectionstatechange = () => {
            if (pc.connectionState === 'connected')
                seen.connect_ms ??= since();
        };
        pc.ontrack = ({ streams }) => { video.srcObject = streams[0]; };
        video.requestVideoFrameCallback(() => { seen.first_frame_ms = since(); });
        // Nothing of what a browser does to a voice: its figures are those of the way.
        const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
        const stream = await navigator.mediaDevices.getUserMedia({ audio, video: { width, height, frameRate } });
        for (const track of stream.getTracks()) {
            const sender = pc.addTrack(track, stream);
            if (track.kind === 'video')
                await limit(sender, max_kbps, codec);
        }
    }

    async function limit(sender, max_kbps, codec) {
        const { codecs } = RTCRtpSender.getCapabilities('video');
        const wanted = codecs.filter(({ mimeType }) => [`video/${codec}`, 'video/rtx'].includes(mimeType));
        pc.getTransceivers().find(t => t.sender === sender).setCodecPreferences(wanted);
        const parameters = sender.getParameters();
        parameters.encodings[0].maxBitrate = max_kbps * 1000;
        await sender.setParameters(parameters);
    }

    async function offer() {
        began = performance.now();
        await pc.setLocalDescription();
        await say('description', pc.localDescription);
    }

    async function receive({ description, candidate }) {
        if (candidate)
            return pc.addIceCandidate(await door.incoming(candidate));
        began ??= performance.now();
        await pc.setRemoteDescription(await door.incoming(description));
        if (description.type !== 'offer')
            return;
        await pc.setLocalDescription();
        await say('description', pc.localDescription);
    }

    // How it stands.
    async function sample() {
        const stats = await pc.getStats();
        const all = [...stats.values()];
        const rtp = (type, kind) => all.find(s => s.type === type && s.kind === kind);
        const pair = stats.get(all.find(s => s.type === 'transport')?.selectedCandidatePairId);
        return {
            at_ms: since(), state: pc.connectionState, ...seen,
            codec: stats.get(rtp('inbound-rtp', 'video')?.codecId)?.mimeType,
            video: pick(rtp('inbound-rtp', 'video'), INBOUND.video),
            audio: pick(rtp('inbound-rtp', 'audio'), INBOUND.audio),
            camera_fps: rtp('media-source', 'video')?.framesPerSecond,
            sent: pick(rtp('outbound-rtp', 'video'), OUTBOUND),
            pair: pick(pair, PAIR), local: pick(stats.get(pair?.localCandidateId), CANDIDATE),
        };
    }

    return { prepare, offer, receive, sample };
})();
