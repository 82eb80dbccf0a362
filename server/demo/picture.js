// SPDX-License-Identifier: GPL-2.0-or-later
//
// The picture of the way that the media takes: two browsers, each perhaps with a gateway and a firewall, and the
// server between them. What is in use is drawn in colour.

const SVG = 'http://www.w3.org/2000/svg';

export function element(name, attributes = {}, children = []) {
    const e = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    e.append(...children);
    return e;
}

const Y = 118;
const SIZE = 60;
const places = {you: 70, gateway: 240, server: 450, farGateway: 660, guest: 830};
const walls = [345, 555];

const icons = {
    browser: 'M-15-11h30v19h-30zM-21 13h42',
    gateway: 'M-13 14V-3a13 13 0 0 1 26 0v17M-5 4h10M1 0l4 4-4 4',
    server: 'M-15-14h30v12h-30zM-15 2h30v12h-30zM-9-8h2M-9 8h2M2-8h7M2 8h7',
};

/** What is said of a way beside the picture. */
export const ways = {
    direct: 'directly from browser to browser',
    tunnel: 'through the gateway on this network, in a tunnel of HTTPS',
    'ice-tcp': 'by ICE-TCP to port 443 of the server, with nothing installed',
    udp: 'by UDP to the server',
    relay: 'through a TURN relay',
};

/** What both ends say of their ways, as one: whom a relay's address calls hears of no relay. */
export function agreed({near, far}) {
    const relayed = near === 'relay' || far === 'relay';
    const own = (way) => (relayed && way === 'direct' ? 'relay' : way);
    return {near: own(near), far: own(far)};
}

// The stretches of one half, from the browser to the middle: [from, to, what it is called].
function stretches(way, [browser, gateway, server]) {
    if (way === 'tunnel') return [[browser, gateway, 'UDP'], [gateway, server, 'HTTPS :443']];
    const names = {'ice-tcp': 'ICE-TCP :443', udp: 'UDP', relay: 'TURN'};
    return names[way] ? [[browser, server, names[way]]] : [];
}

function node(x, icon, label, on) {
    return element('g', {class: on ? 'node' : 'node off', transform: `translate(${x} ${Y})`}, [
        element('rect', {class: 'box', x: -SIZE / 2, y: -SIZE / 2, width: SIZE, height: SIZE, rx: 16}),
        element('path', {class: 'icon', d: icons[icon]}),
        text(0, SIZE / 2 + 22, label),
    ]);
}

function text(x, y, words, attributes = {}) {
    const t = element('text', {x, y, ...attributes});
    t.textContent = words;
    return t;
}

function wall(x) {
    const rows = [0, 1, 2, 3, 4, 5].flatMap((row) => {
        const y = Y - 60 + row * 20;
        return [`M${x - 9} ${y}H${x + 9}`, `M${row % 2 ? x - 3 : x + 3} ${y}v20`];
    });
    return element('g', {}, [
        element('rect', {class: 'wall', x: x - 9, y: Y - 60, width: 18, height: 120, rx: 3}),
        element('path', {class: 'wall-line', d: rows.join('')}),
        text(x, Y + 79, 'firewall', {class: 'soft'}),
    ]);
}

// Where the way goes through a wall.
const door = (x) => element('rect', {class: 'door', x: x - 13, y: Y - 13, width: 26, height: 26, rx: 7});

const between = (x, a, b) => (x - a) * (x - b) < 0;

// Above the wall, if it would hide it.
function tagHeight(x) {
    return walls.some((at) => Math.abs(at - x) < 60) ? Y - 78 : Y - 26;
}

function tag(x, y, words) {
    const width = words.length * 7.4 + 18;
    return element('g', {}, [
        element('rect', {class: 'tag', x: x - width / 2, y: y - 12, width, height: 24, rx: 12}),
        text(x, y + 4.5, words),
    ]);
}

function stretch([from, to, name]) {
    const inset = (SIZE / 2) * Math.sign(to - from);
    const d = `M${from + inset} ${Y}H${to - inset}`;
    return {
        line: [element('path', {class: 'way on', d}), element('path', {class: 'flow', d})],
        doors: walls.filter((x) => between(x, from, to)).map(door),
        tag: tag((from + to) / 2, tagHeight((from + to) / 2), name),
    };
}

function direct() {
    const d = `M${places.you} ${Y - SIZE / 2}C${places.you + 120} 8 ${places.guest - 120} 8 ${places.guest} ${Y - SIZE / 2}`;
    return {
        line: [element('path', {class: 'way on', d}), element('path', {class: 'flow', d})],
        doors: [],
        tag: tag((places.you + places.guest) / 2, 36, 'direct'),
    };
}

/**
 * `near`, `far`: by which way each end comes (null: not known yet); `gateways`: whether there is one, on each side.
 */
export function draw(parent, {near, far, gateways}) {
    const left = [places.you, places.gateway, places.server];
    const right = [places.guest, places.farGateway, places.server];
    const isDirect = near === 'direct' || far === 'direct';
    const drawn = isDirect ? [direct()] : [...stretches(near, left), ...stretches(far, right)].map(stretch);
    const none = drawn.length === 0;
    const hasServer = !isDirect && !none;
    const server = near === 'relay' || far === 'relay' ? 'TURN relay' : 'sallyport server';
    const svg = element('svg', {viewBox: isDirect ? '0 18 900 187' : '0 26 900 179', role: 'img', 'aria-labelledby': 'path-text'}, [
        element('path', {class: 'way', d: `M${places.you} ${Y}H${places.guest}`}),
        ...walls.map(wall),
        ...drawn.flatMap(({doors}) => doors),
        ...drawn.flatMap(({line}) => line),
        node(places.you, 'browser', 'You', true),
        ...(gateways[0] || near === 'tunnel' ? [node(places.gateway, 'gateway', 'your gateway', near === 'tunnel')] : []),
        node(places.server, 'server', server, hasServer),
        ...(gateways[1] || far === 'tunnel' ? [node(places.farGateway, 'gateway', 'their gateway', far === 'tunnel')] : []),
        node(places.guest, 'browser', 'Guest', !none),
        ...drawn.map(({tag: t}) => t),
    ]);
    parent.replaceChildren(svg);
}
