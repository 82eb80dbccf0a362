// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pictures for the fake cameras: a drawn person each, who moves a little, as a Y4M file that Chromium plays
// in a loop. Each side of a call shows somebody else, so a screenshot tells whose picture arrived, and a
// little noise gives the encoder as much to do as a real camera would.

import { openSync, writeSync, closeSync } from 'node:fs';

const WIDTH = 640, HEIGHT = 480, FPS = 25, FRAMES = 50;

const people = {
    ana: {
        top: [0x2b, 0x1f, 0x3d], bottom: [0xb4, 0x5a, 0x4a], lights: [0xff, 0xc2, 0x7a],
        skin: [0xc6, 0x86, 0x5c], hair: [0x2a, 0x1b, 0x18], clothes: [0xe0, 0xa6, 0x3c], collar: [0xf6, 0xe7, 0xc8],
        longHair: true,
    },
    ben: {
        top: [0x16, 0x3a, 0x4a], bottom: [0x6f, 0xb1, 0xb0], lights: [0xd8, 0xf6, 0xf2],
        skin: [0xee, 0xbf, 0x9a], hair: [0x5a, 0x3a, 0x24], clothes: [0xf3, 0xf6, 0xf8], collar: [0x1f, 0x8a, 0x8c],
        longHair: false,
    },
};

// ---- shapes: the distance of a point to an edge, negative inside, and a box around it ------------------

function ellipse(cx, cy, rx, ry) {
    return {
        box: [cx - rx, cy - ry, cx + rx, cy + ry],
        distance: (x, y) => (Math.hypot((x - cx) / rx, (y - cy) / ry) - 1) * Math.min(rx, ry),
    };
}

function roundBox(cx, cy, hx, hy, r) {
    return {
        box: [cx - hx, cy - hy, cx + hx, cy + hy],
        distance: (x, y) => {
            const dx = Math.abs(x - cx) - hx + r, dy = Math.abs(y - cy) - hy + r;
            return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - r;
        },
    };
}

// The part of a shape for which keep(x, y) is negative.
function cut(shape, keep) {
    return { box: shape.box, distance: (x, y) => Math.max(shape.distance(x, y), keep(x, y)) };
}

// ---- drawing -----------------------------------------------------------------------------------------

// soft: over how many pixels the edge fades.
function fill(rgb, shape, color, alpha = 1, soft = 1.2) {
    const [left, top, right, bottom] = shape.box;
    const x0 = Math.max(0, Math.floor(left - soft)), x1 = Math.min(WIDTH - 1, Math.ceil(right + soft));
    const y0 = Math.max(0, Math.floor(top - soft)), y1 = Math.min(HEIGHT - 1, Math.ceil(bottom + soft));
    for (let y = y0; y <= y1; y++) {
        for (let x = x0; x <= x1; x++) {
            const cover = alpha * Math.min(1, Math.max(0, 0.5 - shape.distance(x, y) / soft));
            if (cover <= 0)
                continue;
            const at = (y * WIDTH + x) * 3;
            for (let c = 0; c < 3; c++)
                rgb[at + c] += (color[c] - rgb[at + c]) * cover;
        }
    }
}

const shade = (color, by) => color.map(c => Math.max(0, Math.min(255, c * by)));

function drawGround({ top, bottom }) {
    const rgb = new Float32Array(WIDTH * HEIGHT * 3);
    for (let y = 0; y < HEIGHT; y++) {
        for (let x = 0; x < WIDTH; x++) {
            const t = Math.min(1, y / HEIGHT * 0.85 + x / WIDTH * 0.15);
            for (let c = 0; c < 3; c++)
                rgb[(y * WIDTH + x) * 3 + c] = top[c] + (bottom[c] - top[c]) * t;
        }
    }
    return rgb;
}

// Lights out of focus, drifting; turn goes from 0 to 2 pi and everything returns to where it was.
function drawLights(rgb, { lights }, turn) {
    for (let i = 0; i < 11; i++) {
        const x = (i * 173 + 60) % WIDTH + 16 * Math.sin(turn + i * 1.7), y = (i * 97 + 40) % 330 + 9 * Math.cos(turn + i);
        const r = 18 + (i * 29) % 34;
        fill(rgb, ellipse(x, y, r, r), lights, 0.12 + 0.05 * Math.sin(turn + i * 2.3), 7);
    }
}

function drawFace(rgb, who, x, y, turn) {
    const blink = Math.cos(turn - 1) > 0.985 ? 1.2 : 7;
    const talk = 4 + 5 * Math.abs(Math.sin(turn * 3)) * (Math.sin(turn) > -0.4 ? 1 : 0);
    for (const side of [-1, 1]) {
        fill(rgb, ellipse(x + side * 27, y - 4, 7, blink), [0x28, 0x20, 0x22]);
        fill(rgb, roundBox(x + side * 28, y - 23, 13, 2.6, 2.6), who.hair);
        fill(rgb, ellipse(x + side * 42, y + 24, 15, 10), [0xe0, 0x6c, 0x60], 0.22, 8);
    }
    fill(rgb, ellipse(x + 2, y + 17, 6, 8), shade(who.skin, 0.86), 0.9, 3);
    fill(rgb, ellipse(x, y + 43, 19, talk), [0x8c, 0x30, 0x38]);
    fill(rgb, cut(ellipse(x, y + 43, 15, talk * 0.8), (_, py) => py - (y + 42)), [0xff, 0xf4, 0xee], 0.9);
}

function drawPerson(rgb, who, turn) {
    const sway = 7 * Math.sin(turn), nod = 4 * Math.sin(2 * turn + 0.6);
    const x = WIDTH / 2 + sway, y = 208 + nod, chest = WIDTH / 2 + sway * 0.5;
    if (who.longHair)
        fill(rgb, roundBox(x, y + 42, 98, 138, 92), shade(who.hair, 0.9));
    fill(rgb, roundBox(chest, 470, 178, 128, 104), who.clothes);
    fill(rgb, roundBox((x + chest) / 2, 318, 36, 56, 30), shade(who.skin, 0.84));
    fill(rgb, cut(ellipse(chest, 350, 74, 86), (_, py) => 352 - py), who.collar);
    fill(rgb, cut(ellipse(chest, 345, 44, 54), (_, py) => 352 - py), shade(who.skin, 0.84));
    if (!who.longHair) {
        // The lapels of a white coat.
        for (const side of [-1, 1])
            fill(rgb, roundBox(chest + side * 62, 452, 4, 96, 4), shade(who.clothes, 0.82));
    }
    for (const side of [-1, 1])
        fill(rgb, ellipse(x + side * 80, y + 8, 14, 20), shade(who.skin, 0.92));
    fill(rgb, ellipse(x, y, 82, 104), who.skin);
    fill(rgb, cut(ellipse(x, y - 12, 88, 100), (px, py) => py - (y - 46 + 0.22 * Math.abs(px - x - 22))), who.hair);
    drawFace(rgb, who, x, y + 6, turn);
}

// ---- the file ----------------------------------------------------------------------------------------

// Full-range RGB to the planes of limited-range BT.601 4:2:0, with noise in the luma.
function toPlanes(rgb, planes, noise) {
    const chroma = WIDTH * HEIGHT / 4;
    let seed = noise;
    for (let i = 0; i < WIDTH * HEIGHT; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        const r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
        planes[i] = 16 + 0.257 * r + 0.504 * g + 0.098 * b + (seed >>> 24) / 64 - 1.5;
    }
    for (let y = 0, at = WIDTH * HEIGHT; y < HEIGHT; y += 2) {
        for (let x = 0; x < WIDTH; x += 2, at++) {
            const i = (y * WIDTH + x) * 3, r = rgb[i], g = rgb[i + 1], b = rgb[i + 2];
            planes[at] = 128 - 0.148 * r - 0.291 * g + 0.439 * b;
            planes[at + chroma] = 128 + 0.439 * r - 0.368 * g - 0.071 * b;
        }
    }
}

// who: 'ana' or 'ben'. Takes a second or two, and lets others run after each frame.
export async function writePortrait(path, who) {
    const file = openSync(path, 'w');
    const ground = drawGround(people[who]);
    const rgb = new Float32Array(ground.length);
    const planes = new Uint8Array(WIDTH * HEIGHT * 3 / 2);
    writeSync(file, `YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1 C420jpeg\n`);
    for (let frame = 0; frame < FRAMES; frame++) {
        const turn = 2 * Math.PI * frame / FRAMES;
        rgb.set(ground);
        drawLights(rgb, people[who], turn);
        drawPerson(rgb, people[who], turn);
        toPlanes(rgb, planes, frame + 1);
        writeSync(file, 'FRAME\n');
        writeSync(file, planes);
        await new Promise(setImmediate);
    }
    closeSync(file);
}
