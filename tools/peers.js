// SPDX-License-Identifier: Apache-2.0
// Builds the programs that stand on other people's libraries (packages/*/interop): judges of
// evidence, and readers and writers of encrypted Parquet. Ours are a few lines each, theirs are
// pinned by go.sum and Cargo.lock. The recipe of a program is
// its sources and its compiler.
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, digests } from './cache.js';
import { step } from './programs.js';

/**
 * How each program is built from its folder into `out`.
 * @typedef {(folder: string, out: string) => string[]} Build
 * @typedef {{ tool: string, version: string, build: Build }} Tool
 * @type {Tool}
 */
const GO = {
  tool: 'go',
  version: 'version',
  build: (folder, out) => [
    ...['build', '-C', folder, '-mod=readonly', '-buildvcs=false', '-trimpath'],
    ...['-o', join(out, 'program'), '.'],
  ],
};
/** @type {Tool} */
const CARGO = {
  tool: 'cargo',
  version: '--version',
  build: (folder, out) => [
    ...['build', '--release', '--locked', '--quiet'],
    ...['--manifest-path', join(folder, 'Cargo.toml'), '--target-dir', join(out, 'target')],
  ],
};

/** By name, which is its folder's too. @type {Record<string, Tool & { package: string }>} */
const PEERS = {
  'arrow-go': { ...GO, package: 'parquet-crypto' },
  'arrow-rs': { ...CARGO, package: 'parquet-crypto' },
  'go-guests': { ...GO, package: 'evidence' },
  'dcap-qvl': { ...CARGO, package: 'evidence' },
};

/**
 * The program `name`, built where it is not yet. `compiler` is the path of its tool, for callers
 * that looked for it themselves.
 * @param {'arrow-go' | 'arrow-rs' | 'go-guests' | 'dcap-qvl'} name
 * @param {string} [compiler]
 * @returns {string} its path
 * @throws Missing that says what is missing or what the compiler said
 */
export function peerProgram(name, compiler) {
  const peer = /** @type {(typeof PEERS)[string]} */ (PEERS[name]);
  const { tool, version, build } = peer;
  const command = compiler ?? tool;
  const place = `../packages/${peer.package}/interop/${name}`;
  const folder = fileURLToPath(new URL(place, import.meta.url));
  const sources = digests(folder, (path) => !path.startsWith('target/'));
  const recipe = { compiler: step(command, [version]), arch: process.arch, sources };
  const home = cached(`peer-${name}`, recipe, (out) => {
    step(command, build(folder, out));
    const binary = join(out, 'target', 'release', `cloister-${name}-peer`);
    if (tool === 'cargo') copyFileSync(binary, join(out, 'program'));
    rmSync(join(out, 'target'), { recursive: true, force: true });
  });
  return join(home, 'program');
}
