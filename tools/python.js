// SPDX-License-Identifier: Apache-2.0
// Python programs that lanes and benches stand on: virtual environments of pinned packages, made
// once in the cache, and TPC-H tables as PyPI's `tpchgen-cli` writes them. Every function throws an
// Error that says why something cannot be had; its caller says what that means.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from './peers.js';

const TIMEOUT_MS = 8 * 60_000;

export const PYARROW = '26.0.0';
export const PYSPARK = '4.3.0';
export const TPCHGEN = '4.0.0';

/**
 * An interpreter that has these packages from PyPI in exactly these versions.
 * @param {Record<string, string>} packages versions by name @returns {string} its path
 */
export function pythonWith(packages) {
  const pins = Object.entries(packages);
  const folder = join(CACHE, pins.flat().join('-'));
  const python = join(folder, 'bin', 'python');
  const have = 'from importlib.metadata import version as v; import sys';
  const check = `${have}; sys.exit(any(v(n) != w for n, w in ${JSON.stringify(pins)}))`;
  if (existsSync(python) && spawnSync(python, ['-c', check]).status === 0) return python;
  mkdirSync(CACHE, { recursive: true });
  setUp('python3', ['-m', 'venv', '--clear', folder]);
  setUp(python, ['-m', 'pip', 'install', '--quiet', ...pins.map((pin) => pin.join('=='))]);
  setUp(python, ['-c', check]);
  return python;
}

/**
 * A table of TPC-H as Parquet, generated once.
 * @param {string} table @param {number} scale @returns {string} its path
 */
export function tpchTable(table, scale) {
  const folder = join(CACHE, `tpch-${TPCHGEN}-sf${scale}`);
  const path = join(folder, `${table}.parquet`);
  if (existsSync(path)) return path;
  const python = pythonWith({ pyarrow: PYARROW, 'tpchgen-cli': TPCHGEN });
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'generating-'));
  try {
    const wanted = ['-s', String(scale), `--tables=${table}`, `--output-dir=${work}`];
    setUp(join(python, '..', 'tpchgen-cli'), ['parquet', ...wanted]);
    renameSync(join(work, `${table}.parquet`), path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return path;
}

/**
 * Runs one step of a set-up; its output is shown only when it fails.
 * @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
export function setUp(command, args, env = process.env) {
  const run = spawnSync(command, args, { encoding: 'utf8', env, timeout: TIMEOUT_MS });
  if (run.status === 0) return;
  const said = `${run.stdout ?? ''}${run.stderr ?? ''}`.trim().split('\n').slice(-5).join('\n');
  throw new Error(`\`${command} ${args.join(' ')}\` failed: ${run.error?.message ?? said}`);
}
