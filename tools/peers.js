// SPDX-License-Identifier: Apache-2.0
// Builds the programs that judge evidence by other people's libraries (packages/evidence/interop):
// ours are a few lines each, theirs are pinned by go.sum and Cargo.lock. A program is built once,
// outside the repository, in a folder named after the digest of its sources and compiler.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILD_TIMEOUT_MS = 15 * 60_000;

/** Outside the repository: what tools download or build. */
export const CACHE = process.env['CLOISTER_CACHE'] ?? join(homedir(), '.cache', 'cloister');

/**
 * How each program is built from its folder into `out`.
 * @type {Record<string, { tool: string, build: (folder: string, out: string) => string[] }>}
 */
const PEERS = {
  'go-guests': {
    tool: 'go',
    build: (folder, out) => [
      ...['build', '-C', folder, '-mod=readonly', '-buildvcs=false', '-trimpath'],
      ...['-o', join(out, 'program'), '.'],
    ],
  },
  'dcap-qvl': {
    tool: 'cargo',
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
 * @throws Error that says what is missing or what the compiler said
 */
export function peerProgram(name, compiler) {
  const { tool, build } = /** @type {(typeof PEERS)[string]} */ (PEERS[name]);
  const command = compiler ?? tool;
  const version = spawnSync(command, [tool === 'go' ? 'version' : '--version']);
  if (version.status !== 0) throw new Error(`${tool} is not installed`);
  const folder = fileURLToPath(new URL(`../packages/evidence/interop/${name}`, import.meta.url));
  const hash = createHash('sha256').update(version.stdout);
  for (const path of sources(folder)) hash.update(path).update(readFileSync(join(folder, path)));
  const home = join(CACHE, `peer-${name}-${hash.digest('hex').slice(0, 16)}`);
  const program = join(home, 'program');
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const out = mkdtempSync(join(CACHE, `building-${name}-`));
  try {
    const run = spawnSync(command, build(folder, out), {
      encoding: 'utf8',
      timeout: BUILD_TIMEOUT_MS,
    });
    if (run.status !== 0) {
      const said = `${run.stdout ?? ''}${run.stderr ?? ''}`.trim().split('\n').slice(-5).join('\n');
      throw new Error(`${tool} cannot build ${name}: ${run.error?.message ?? said}`);
    }
    const binary = join(out, 'target', 'release', 'cloister-dcap-qvl-peer');
    if (tool === 'cargo') copyFileSync(binary, join(out, 'program'));
    rmSync(join(out, 'target'), { recursive: true, force: true });
    if (!existsSync(program)) renameSync(out, home);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
  return program;
}

/**
 * Every file of a program, sorted, without what cargo leaves when it is run by hand.
 * @param {string} folder @returns {string[]}
 */
function sources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith('target/'))
    .sort();
}
