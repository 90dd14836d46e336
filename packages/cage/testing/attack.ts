// SPDX-License-Identifier: Apache-2.0
// Runs hostile.mjs in a cage, with something to find: a key file, a port that listens, a file that
// it was given; and keeps what is known to succeed at each level.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Cage, type Held, programFiles } from '../src/index.ts';

const HOSTILE = fileURLToPath(new URL('./hostile.mjs', import.meta.url));
const MIB = 2 ** 20;

export interface Attack {
  readonly tried: number;
  readonly succeeded: readonly string[];
  /** What held it while it tried. */
  readonly held: Held;
}

/** What a Node program may have: less than its tries take, more than it needs. */
export const LIMITS = {
  ...{ dataBytes: 1_500 * MIB, fileBytes: 1 * MIB, openFiles: 4_096, tasks: 64, cpuSeconds: 60 },
};

export async function attack(cage: Cage): Promise<Attack> {
  const home = mkdtempSync(join(tmpdir(), 'cloister-attack-'));
  const folder = join(home, 'room');
  const key = join(home, 'identity.key');
  const given = join(home, 'given');
  mkdirSync(folder);
  writeFileSync(key, 'secret', { mode: 0o600 });
  writeFileSync(given, 'given');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { files } = await programFiles(process.execPath);
  const outside = join(home, 'outside');
  const about = JSON.stringify({ parent: process.pid, key, given, outside, port });
  const caged = cage.start({
    program: realpathSync(process.execPath),
    args: [HOSTILE, about],
    ...{ folder, folderBytes: 2 * MIB, reads: [...files, HOSTILE, given], writes: [] },
    ...{ limits: LIMITS, pipes: 1 },
  });
  try {
    let words = '';
    caged.process.stderr?.on('data', (text) => {
      words += text;
    });
    let told = '';
    const from = caged.process.stdio[3] as Readable;
    from.on('data', (text) => {
      told += text;
    });
    const ended = once(caged.process, 'exit');
    let held: Held | undefined;
    const looking = setInterval(() => {
      const now = caged.held();
      if (held === undefined || now.measures.length > held.measures.length) held = now;
    }, 20);
    await ended;
    clearInterval(looking);
    if (told === '') throw new Error(`the hostile program did not run: ${words.slice(0, 500)}`);
    return { ...(JSON.parse(told) as Attack), held: held ?? { level: 'none', measures: [] } };
  } finally {
    caged.process.kill('SIGKILL');
    server.close();
    rmSync(home, { recursive: true, force: true });
  }
}
