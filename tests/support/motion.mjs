// SPDX-License-Identifier: GPL-2.0-or-later
//
// A picture that moves all over, for a fake camera that shall fill the bit rate it is given: a detailed scene, as
// a hand-held camera shows it, panned to and fro with a little noise of the sensor. A Y4M file that Chromium
// plays in a loop, 30 frames a second; always the same one.

import { closeSync, openSync, writeSync } from 'node:fs';

export const MOTION = { width: 640, height: 360, frameRate: 30 };

const { width: WIDTH, height: HEIGHT, frameRate: FPS } = MOTION;
const FRAMES = 90, REACH_X = 64, REACH_Y = 24, NOISE = 6; // pixels of the pan, and levels of luma
const SCENE_WIDTH = WIDTH + 2 * REACH_X, SCENE_HEIGHT = HEIGHT + 2 * REACH_Y;

function random(seed) {
    let state = seed;
    return () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
    };
}

// Random levels at the corners of squares, smooth between them: from coarse squares to fine ones, the finer the
// weaker, which is how detail is spread in photographs.
function scene(seed, sizes, contrast) {
    const next = random(seed), levels = new Float32Array(SCENE_WIDTH * SCENE_HEIGHT).fill(128);
    for (const size of sizes) {
        const columns = Math.ceil(SCENE_WIDTH / size) + 2;
        const corners = Float32Array.from({ length: columns * (Math.ceil(SCENE_HEIGHT / size) + 2) }, () => next() - 0.5);
        const weight = contrast * Math.sqrt(size / sizes[0]);
        for (let y = 0, at = 0; y < SCENE_HEIGHT; y++) {
            const row = Math.floor(y / size) * columns, v = y / size % 1;
            for (let x = 0; x < SCENE_WIDTH; x++, at++) {
                const i = row + Math.floor(x / size), u = x / size % 1;
                const above = corners[i] * (1 - u) + corners[i + 1] * u;
                const below = corners[i + columns] * (1 - u) + corners[i + columns + 1] * u;
                levels[at] += weight * (above * (1 - v) + below * v);
            }
        }
    }
    return levels;
}

// What the camera sees of a scene at (left, top), into a plane; step 2 for every other pixel.
function look(plane, levels, { left, top, step = 1, grain = () => 0 }) {
    let at = 0;
    for (let y = 0; y < HEIGHT; y += step) {
        for (let x = 0, from = (y + top) * SCENE_WIDTH + left; x < WIDTH; x += step, at++)
            plane[at] = Math.max(16, Math.min(235, levels[from + x] + grain()));
    }
}

// Takes a second or so, and lets others run after each frame.
export async function writeMotion(path) {
    const light = scene(1, [96, 32, 12, 5], 130), blue = scene(2, [128, 48], 70), red = scene(3, [128, 48], 70);
    const luma = new Uint8Array(WIDTH * HEIGHT), chroma = new Uint8Array(WIDTH * HEIGHT / 4);
    const next = random(4), grain = () => (next() - 0.5) * NOISE;
    const file = openSync(path, 'w');
    writeSync(file, `YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1 C420jpeg\n`);
    for (let frame = 0; frame < FRAMES; frame++) {
        const turn = 2 * Math.PI * frame / FRAMES;
        const left = Math.round(REACH_X * (1 + Math.sin(turn))), top = Math.round(REACH_Y * (1 + Math.cos(turn)));
        writeSync(file, 'FRAME\n');
        look(luma, light, { left, top, grain });
        writeSync(file, luma);
        for (const levels of [blue, red]) {
            look(chroma, levels, { left, top, step: 2 });
            writeSync(file, chroma);
        }
        await new Promise(setImmediate);
    }
    closeSync(file);
}
