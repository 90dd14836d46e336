// SPDX-License-Identifier: Apache-2.0
// Builds the programs that judge evidence by other people's libraries (packages/evidence/interop):
// ours are a few lines each, theirs are pinned by go.sum and Cargo.lock. The recipe of a program is
// its sources and its compiler.
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, digests } from './cache.js';
import { step } from './programs.js';

/**
 * How each program is built from its folder into `out`.
 * @typedef {(folder: string, out: string) => string[]} Build
 * @type {Record<string, { tool: string, version: string, build: Build }>}
 */
const PEERS = {
  'go-guests': {
    tool: 'go',
    version: 'version',
    build: (folder, out) => [
      ...['build', '-C', folder, '-mod=readonly', '-buildvcs=false', '-trimpath'],
      ...['-o', join(out, 'program'), '.'],
    ],
  },
  'dcap-qvl': {
    tool: 'cargo',
    version: '--version',
    build: (folder, out) => [
      ...['build', '--release', '--locked', '--quiet'],
      ...['--manifest-path', join(folder, 'Cargo.toml'), '--target-dir', join(out, 'target')],
    ],
  },
};

/**
 * The program `name`, built where it is not yet. `compiler` is the path of its tool, for callers
 * that looked for it themselves.
 * @param {'go-guests' | 'dcap-qvl'} name @param {string} [compiler] @returns {string} its path
 * @throws Missing that says what is missing or what the compiler said
 */
export function peerProgram(name, compiler) {
  const { tool, version, build } = /** @type {(typeof PEERS)[string]} */ (PEERS[name]);
  const command = compiler ?? tool;
  const folder = fileURLToPath(new URL(`../packages/evidence/interop/${name}`, import.meta.url));
  const sources = digests(folder, (path) => !path.startsWith('target/'));
  const recipe = { compiler: step(command, [version]), arch: process.arch, sources };
  const home = cached(`peer-${name}`, recipe, (out) => {
    step(command, build(folder, out));
    const binary = join(out, 'target', 'release', 'cloister-dcap-qvl-peer');
    if (tool === 'cargo') copyFileSync(binary, join(out, 'program'));
    rmSync(join(out, 'target'), { recursive: true, force: true });
  });
  return join(home, 'program');
}
