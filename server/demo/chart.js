// SPDX-License-Identifier: GPL-2.0-or-later
//
// A small chart: the last minute of one figure, a second a point, the newest at the right.

import {element} from '/demo/picture.js';

const WIDTH = 240;
const HEIGHT = 64;
const POINTS = 60;
const POINTS_AT_FIRST = 15;

/** The least round number that is not below: 1, 2, 5, 10, 20 … */
export function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((k) => k * power).find((k) => k >= value * (1 - 1e-9));
}

export class Chart {
    #values = [];
    #least;
    #line = element('path', {class: 'line'});
    #area = element('path', {class: 'area'});

    /** `least`: what the top stands for when there is hardly anything. */
    constructor(parent, least) {
        this.#least = least;
        parent.append(element('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'the last minute'}, [
            this.#area,
            this.#line,
        ]));
    }

    add(value) {
        this.#values.push(value);
        this.#values = this.#values.slice(-POINTS);
        const top = roundUp(Math.max(this.#least, ...this.#values.filter(Number.isFinite)) * 1.15);
        const across = Math.max(POINTS_AT_FIRST, this.#values.length) - 1;
        const x = (i) => WIDTH - ((this.#values.length - 1 - i) * WIDTH) / across;
        const y = (v) => HEIGHT - 3 - (v / top) * (HEIGHT - 8);
        const points = this.#values.map((v, i) => [x(i), v]).filter(([, v]) => Number.isFinite(v));
        if (points.length === 0) return;
        const line = points.map(([at, v]) => `${at.toFixed(1)} ${y(v).toFixed(1)}`).join('L');
        this.#line.setAttribute('d', `M${line}`);
        this.#area.setAttribute('d', `M${points[0][0].toFixed(1)} ${HEIGHT}L${line}V${HEIGHT}Z`);
    }
}
