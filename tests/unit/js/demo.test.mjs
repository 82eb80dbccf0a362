// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the demo page makes of a peer connection's statistics, and of what both ends say.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {between, shown, totals} from '../../../server/demo/figures.js';
import {agreed} from '../../../server/demo/picture.js';

const stats = (...all) => new Map(all.map((s, i) => [s.id ?? i, {id: i, ...s}]));

test('the selected pair, and what all streams have in common', () => {
    const all = stats(
        {type: 'transport', selectedCandidatePairId: 'good'},
        {type: 'candidate-pair', id: 'bad', nominated: true, state: 'succeeded', currentRoundTripTime: 9},
        {type: 'candidate-pair', id: 'good', nominated: true, state: 'succeeded', currentRoundTripTime: 0.02},
        {type: 'inbound-rtp', packetsReceived: 90, packetsLost: 10, bytesReceived: 1000, headerBytesReceived: 100},
        {type: 'inbound-rtp', packetsReceived: 10, packetsLost: -1, bytesReceived: 500},
        {type: 'outbound-rtp', bytesSent: 700, headerBytesSent: 70});
    assert.deepEqual(totals(all, 5), {at: 5, rtt: 0.02, received: 100, lost: 9, bytesIn: 1600, bytesOut: 770});
});

test('without a transport the nominated pair, without its round trip what the far end reports', () => {
    const pair = {type: 'candidate-pair', nominated: true, state: 'succeeded'};
    assert.equal(totals(stats({...pair, currentRoundTripTime: 0.03}), 0).rtt, 0.03);
    assert.equal(totals(stats(pair, {type: 'remote-inbound-rtp', roundTripTime: 0.04}, {type: 'remote-inbound-rtp', roundTripTime: 0}), 0).rtt, 0.04);
    assert.equal(totals(stats(), 0).rtt, undefined);
});

test('between two moments', () => {
    const before = {at: 1000, rtt: 0.1, received: 100, lost: 5, bytesIn: 0, bytesOut: 1000};
    const now = {at: 2000, rtt: 0.05, received: 190, lost: 15, bytesIn: 125000, bytesOut: 251000};
    assert.deepEqual(between(before, now), {rtt: 50, loss: 10, in: 1, out: 2});
    assert.equal(between(before, {...now, lost: 3}).loss, 0); // it came after all
    assert.equal(between(before, {...now, received: 100, lost: 5}).loss, undefined);
    assert.equal(between(before, {...now, bytesIn: -1}).in, undefined);
    assert.equal(between(before, {...now, rtt: undefined}).rtt, undefined);
});

test('as it is shown', () => {
    assert.equal(shown(1.234, 1), '1.2');
    assert.equal(shown(undefined, 1), '–');
    assert.equal(shown(NaN, 1), '–');
});

test('a relay that one end alone knows of is both ends\' way', () => {
    assert.deepEqual(agreed({near: 'direct', far: 'relay'}), {near: 'relay', far: 'relay'});
    assert.deepEqual(agreed({near: 'relay', far: 'direct'}), {near: 'relay', far: 'relay'});
    assert.deepEqual(agreed({near: 'relay', far: null}), {near: 'relay', far: null});
    assert.deepEqual(agreed({near: 'direct', far: 'direct'}), {near: 'direct', far: 'direct'});
    assert.deepEqual(agreed({near: 'tunnel', far: 'udp'}), {near: 'tunnel', far: 'udp'});
});
