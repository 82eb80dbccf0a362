// SPDX-License-Identifier: GPL-2.0-or-later
//
// What Chromium's fake camera plays. To draw it takes seconds of the processor, so with BUILD_DIR in the
// environment it is drawn once and kept there, under a name that changes with the code that draws it.

import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeMotion } from '../motion.mjs';
import { writePortrait } from '../portrait.mjs';

const draw = {
    motion: ['../motion.mjs', writeMotion],
    ana: ['../portrait.mjs', path => writePortrait(path, 'ana')],
    ben: ['../portrait.mjs', path => writePortrait(path, 'ben')],
};

// Resolves to the path of a Y4M file; it lies in `dir` if it is not kept. name: whose portrait, or `motion`.
export async function cameraFile(name, dir) {
    const [source, write] = draw[name];
    const folder = process.env.BUILD_DIR ? join(process.env.BUILD_DIR, 'tests', 'cameras') : dir;
    const code = readFileSync(fileURLToPath(new URL(source, import.meta.url)));
    const path = join(folder, `${name}-${createHash('sha256').update(code).digest('hex').slice(0, 12)}.y4m`);
    if (!statSync(path, { throwIfNoEntry: false })) {
        // Several browsers may draw it at once: each its own, and none sees half of one.
        const part = `${path}.${randomUUID()}`;
        mkdirSync(folder, { recursive: true });
        await write(part);
        renameSync(part, path);
    }
    return path;
}
