// SPDX-License-Identifier: Apache-2.0
// What a cage costs: from asking for DuckDB's child to its first answer, by each way that works on
// this machine, beside the same child started bare; medians of pairs. A worker pays this in its
// spare child, ahead of a run. Needs a build: npm run bench engines

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCage, packageFolders, programFiles, WAYS } from '@cloister/cage';
import { median, ms, say } from './shared/world.mjs';

const PAIRS = 15;
const CHILD = fileURLToPath(new URL('../packages/engine-duckdb/child', import.meta.url));
const MAIN = join(CHILD, 'main.mjs');
const folders = packageFolders(CHILD, ['@duckdb/node-api']);
const addon = folders.map((folder) => join(folder, 'duckdb.node')).find(isThere);
const { files } = await programFiles(process.execPath, addon === undefined ? [] : [addon]);
const program = realpathSync(process.execPath);
const limits = { dataBytes: 2 ** 31, fileBytes: 2 ** 24, openFiles: 256, tasks: 64 };

/** @param {string} path */
function isThere(path) {
  try {
    realpathSync(path);
    return true;
  } catch {
    return false;
  }
}

function bare(folder) {
  return spawn(program, [MAIN], {
    cwd: folder,
    env: {},
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
}

function caged(cage, folder) {
  mkdirSync(join(folder, 'in'));
  const reads = [...files, CHILD, ...folders, join(folder, 'in')];
  const what = { program, args: [MAIN], folder, folderBytes: 2 ** 24, reads, writes: [], limits };
  return cage.start({ ...what, pipes: 1 }).process;
}

/** Milliseconds until a child answers. */
async function timed(start) {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-bench-'));
  const began = performance.now();
  const child = start(folder);
  await once(child.stdio[3], 'data');
  const took = performance.now() - began;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  rmSync(folder, { recursive: true });
  return took;
}

for (const way of WAYS) {
  const cage = await openCage([way]);
  if (cage.way !== way) {
    say(`${way}: does not work here`);
    continue;
  }
  const pairs = [];
  for (let i = 0; i <= PAIRS; i += 1) {
    pairs.push({ bare: await timed(bare), caged: await timed((folder) => caged(cage, folder)) });
  }
  // The first of each warms the page cache.
  const [plain, held] = ['bare', 'caged'].map((key) => median(pairs.slice(1).map((p) => p[key])));
  const more = median(pairs.slice(1).map((pair) => pair.caged - pair.bare));
  say(`${way} (${cage.level}): ${ms(held)}, bare ${ms(plain)}, ${ms(more)} more`);
}
