// SPDX-License-Identifier: GPL-2.0-or-later
//
// The call of call.html. It knows nothing of how the two sides reach each other: call.mjs hands it what the
// other side said (callPage.receive) and takes what it says (window.signal). All times that it reports are
// milliseconds since this side began: the caller with its offer, the callee when it had the offer.
'use strict';

const REFRESH_MS = 500;
const RESTART_MS = 5000; // between two attempts to restart ICE
const GAP_MS = 75;       // call_meter.js notes what is longer

const callPage = (() => {
    let pc, began, isCaller = false;
    let trickle = true; // candidates follow their description; otherwise it waits for all of them
    let meter, restarts, restarting = false; // call_meter.js, if asked; whether ICE is restarted, and just now
    const marks = [];                        // moments of which the caller of the page told: { name, at }
    const seen = { candidates: [], candidateErrors: [], trickled: 0, ice_restarts: 0 };
    let last = null; // the bytes and time of the figures shown before

    const show = (id, text) => { document.getElementById(id).textContent = text; };
    const showFigure = (id, value, unit) => {
        document.getElementById(id).innerHTML = value === undefined ? '–' : `${value} <small>${unit}</small>`;
    };
    const sinceBegin = () => Math.round((performance.now() - began) * 10) / 10;

    // ---- the connection --------------------------------------------------------------------------

    // With `watch` each frame's arrival is noted, and ICE is restarted when the connection is lost.
    async function prepare({ name, peerName, iceServers, iceTransportPolicy, width, height, watch, noTrickle }) {
        trickle = !noTrickle;
        show('title', `Video call with ${peerName}`);
        show('remote-name', peerName);
        show('own-name', name);
        pc = new RTCPeerConnection({ iceServers, iceTransportPolicy });
        meter = watch && new Worker('call_meter.js');
        restarts = watch;
        pc.onicecandidate = ({ candidate }) => onCandidate(candidate);
        pc.onicecandidateerror = ({ url, address, port, errorCode, errorText }) =>
            seen.candidateErrors.push({ url, address, port, errorCode, errorText, at_ms: sinceBegin() });
        pc.onconnectionstatechange = onState;
        pc.ontrack = ({ streams }) => { document.getElementById('remote').srcObject = streams[0]; };
        document.getElementById('remote').requestVideoFrameCallback(() => { seen.first_frame_ms = sinceBegin(); });

        const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height } });
        document.getElementById('own').srcObject = stream;
        for (const track of stream.getTracks())
            pc.addTrack(track, stream);
        // At once: later Chromium takes them, and sends nothing through.
        for (const { receiver } of watch ? pc.getTransceivers() : [])
            receiver.transform = new RTCRtpScriptTransform(meter, { kind: receiver.track.kind });
        setInterval(refresh, REFRESH_MS);
    }

    async function offer(options) {
        isCaller ||= began === undefined;
        began ??= performance.now();
        await describe(await pc.createOffer(options));
    }

    async function describe(description) {
        await pc.setLocalDescription(description);
        if (!trickle)
            await gathered();
        window.signal({ description: pc.localDescription.toJSON() });
    }

    function gathered() {
        return new Promise(resolve => {
            const check = () => pc.iceGatheringState === 'complete' && resolve();
            pc.addEventListener('icegatheringstatechange', check);
            check();
        });
    }

    // As applications do: again and again, until the two are connected.
    async function restartIce() {
        if (restarting)
            return;
        restarting = true;
        while (pc.connectionState !== 'connected') {
            if (pc.signalingState === 'stable') {
                seen.ice_restarts++;
                await offer({ iceRestart: true });
            }
            await until(() => pc.connectionState === 'connected', RESTART_MS);
        }
        restarting = false;
    }

    async function until(condition, ms) {
        for (const end = performance.now() + ms; !condition() && performance.now() < end;)
            await new Promise(resolve => { setTimeout(resolve, 50); });
    }

    async function receive({ description, candidate, restart }) {
        if (restart)
            return void restartIce(); // what it waits for comes by this way, too
        if (candidate)
            return pc.addIceCandidate(candidate);
        if (description.type === 'offer')
            began ??= performance.now();
        await pc.setRemoteDescription(description);
        if (description.type === 'offer')
            await describe(await pc.createAnswer());
    }

    function onCandidate(candidate) {
        if (!candidate) {
            seen.gathered_ms = sinceBegin();
            return;
        }
        if (!candidate.candidate)
            return; // the end of one generation: its null follows
        const { type, protocol, address, port, relatedAddress, relatedPort, tcpType, url, relayProtocol } = candidate;
        seen.candidates.push({
            candidate: candidate.candidate, type, protocol, address, port, relatedAddress, relatedPort, tcpType, url,
            relayProtocol, at_ms: sinceBegin(),
        });
        if (!trickle)
            return;
        seen.trickled++;
        window.signal({ candidate: candidate.toJSON() });
    }

    function onState() {
        const state = document.getElementById('state');
        state.textContent = pc.connectionState;
        state.className = `pill ${pc.connectionState}`;
        if (pc.connectionState === 'connected' && seen.connect_ms === undefined) {
            seen.connect_ms = sinceBegin();
            showFigure('connect', Math.round(seen.connect_ms), 'ms');
        }
        if (restarts && (pc.connectionState === 'disconnected' || pc.connectionState === 'failed'))
            onLost();
    }

    // The one that called makes the offers.
    function onLost() {
        if (isCaller)
            restartIce();
        else
            window.signal({ restart: true });
    }

    // ---- the figures -----------------------------------------------------------------------------

    function describeCandidate(c) {
        return c && { type: c.candidateType, protocol: c.protocol, address: c.address, port: c.port, url: c.url,
            relayProtocol: c.relayProtocol, relatedAddress: c.relatedAddress, relatedPort: c.relatedPort };
    }

    function describePair(stats, transport) {
        const pair = stats.get(transport?.selectedCandidatePairId);
        return pair && {
            local: describeCandidate(stats.get(pair.localCandidateId)),
            remote: describeCandidate(stats.get(pair.remoteCandidateId)),
            rtt_ms: pair.currentRoundTripTime * 1000,
            rtt_mean_ms: pair.responsesReceived ? pair.totalRoundTripTime / pair.responsesReceived * 1000 : undefined,
            bytes_sent: pair.bytesSent, bytes_received: pair.bytesReceived,
        };
    }

    function describeInbound(rtp) {
        if (!rtp)
            return undefined;
        // Below zero where packets arrived more often than once (RFC 3550 section 6.4.1).
        const lost = Math.max(0, rtp.packetsLost);
        const all = rtp.packetsReceived + lost;
        return {
            packets_received: rtp.packetsReceived, packets_lost: lost, loss_percent: all ? 100 * lost / all : 0,
            bytes_received: rtp.bytesReceived,
            jitter_ms: rtp.jitter * 1000, frames_decoded: rtp.framesDecoded, frames_per_second: rtp.framesPerSecond,
            width: rtp.frameWidth, height: rtp.frameHeight, freezes: rtp.freezeCount,
            concealed_samples: rtp.concealedSamples,
        };
    }

    async function report() {
        const stats = await pc.getStats();
        const all = [...stats.values()];
        const inbound = kind => describeInbound(all.find(s => s.type === 'inbound-rtp' && s.kind === kind));
        const transport = all.find(s => s.type === 'transport');
        const video = inbound('video');
        const watched_s = (sinceBegin() - seen.first_frame_ms) / 1000;
        if (video)
            video.fps = seen.first_frame_ms === undefined ? 0 : video.frames_decoded / watched_s;
        return {
            state: pc.connectionState, ice_state: pc.iceConnectionState, gathering: pc.iceGatheringState, ...seen,
            after_ms: sinceBegin(), video, audio: inbound('audio'), pair: describePair(stats, transport),
            dtls: transport?.tlsVersion && { version: transport.tlsVersion, srtp: transport.srtpCipher },
        };
    }

    // ---- gaps ------------------------------------------------------------------------------------

    function mark(name, at) {
        marks.push({ name, at });
    }

    // The longest time without a frame that reaches well into a span of time: how long it was, and when it
    // began and ended, counted from the span's begin. Without gap_ms there was none, without back_ms it still
    // lasts.
    function longestGap({ last, gaps }, from, to, now) {
        let gap_ms, away_ms, back_ms;
        for (const [begin, end] of [...gaps, [last, undefined]]) {
            const ms = Math.round((end ?? now) - begin);
            if (Math.min(end ?? now, to) - Math.max(begin, from) > GAP_MS && !(ms <= gap_ms)) {
                gap_ms = ms;
                away_ms = Math.round(begin - from);
                back_ms = end && Math.round(end - from);
            }
        }
        return { gap_ms, away_ms, back_ms };
    }

    // What arrived since each mark, until the next one.
    async function watched() {
        const { port1, port2 } = new MessageChannel();
        const answer = new Promise(resolve => { port1.onmessage = ({ data }) => resolve(data); });
        meter.postMessage(null, [port2]);
        const { now, arrivals } = await answer;
        const each = describe => Object.fromEntries(Object.entries(arrivals).map(([k, a]) => [k, describe(a)]));
        return {
            state: pc.connectionState, ice_restarts: seen.ice_restarts,
            silent_ms: each(a => Math.round(now - a.last)),
            marks: marks.map(({ name, at }, i) =>
                ({ name, ...each(a => longestGap(a, at, marks[i + 1]?.at ?? now, now)) })),
        };
    }

    function describeEnd(c) {
        const where = `${c.address?.includes(':') ? `[${c.address}]` : c.address}:${c.port}`;
        return c.url ? `${c.url.replace(/\?.*/, '')} → ${c.type} ${where}` : `${c.type} ${where}`;
    }

    async function refresh() {
        if (began === undefined || seen.connect_ms === undefined)
            return;
        const now = await report();
        const seconds = Math.floor((now.after_ms - seen.connect_ms) / 1000);
        show('clock', new Date(seconds * 1000).toISOString().slice(14, 19));
        const { pair, video, audio } = now;
        if (pair) {
            showFigure('rtt', pair.rtt_ms < 10 ? pair.rtt_ms.toFixed(1) : Math.round(pair.rtt_ms), 'ms');
            show('route', `${describeEnd(pair.local)}  ⇄  ${describeEnd(pair.remote)}`);
        }
        if (video?.width)
            showFigure('fps', Math.round(video.frames_per_second ?? 0), `per second, ${video.width}×${video.height}`);
        if (video && audio) {
            const bytes = video.bytes_received + audio.bytes_received;
            if (last && now.after_ms > last.at)
                showFigure('rate', ((bytes - last.bytes) * 8 / (now.after_ms - last.at) / 1000).toFixed(2), 'Mbit/s');
            last = { bytes, at: now.after_ms };
            const lost = Math.max(0, video.packets_lost + audio.packets_lost);
            showFigure('loss', lost, `of ${(lost + video.packets_received + audio.packets_received).toLocaleString('en')}`);
        }
        if (now.dtls?.srtp)
            show('cipher', 'end-to-end encrypted');
    }

    return { prepare, offer, receive, report, mark, watched };
})();
