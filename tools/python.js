// SPDX-License-Identifier: Apache-2.0
// Python programs that lanes and benches stand on: virtual environments of pinned packages, and
// TPC-H tables as PyPI's `tpchgen-cli` writes them, each made once in the cache. Every function
// throws a Missing that says why something cannot be had; its caller says what that means.
import { join } from 'node:path';
import { cached } from './cache.js';
import { step } from './programs.js';

export const PYARROW = '26.0.0';
export const PYSPARK = '4.3.0';
/** Writers and readers of Parquet, and what they lean on. */
export const PARQUET_LIBRARIES = {
  pyarrow: PYARROW,
  pyspark: PYSPARK,
  polars: '2.1.0',
  duckdb: '2.0.1',
  fastparquet: '2026.9.0',
  pandas: '3.1.1',
  numpy: '2.4.6',
};
export const TPCHGEN = '4.0.0';

/** What a virtual environment hangs on: it links to this interpreter. */
const INTERPRETER = 'import os, sys; print(sys.version, os.path.realpath(sys.executable))';

/**
 * An interpreter that has these packages from PyPI in exactly these versions.
 * @param {Record<string, string>} packages versions by name @returns {string} its path
 */
export function pythonWith(packages) {
  const pins = Object.entries(packages);
  const recipe = { pins, interpreter: step('python3', ['-c', INTERPRETER]) };
  const home = cached(`python-${Object.keys(packages).join('-')}`, recipe, (folder) => {
    const python = join(folder, 'bin', 'python');
    step('python3', ['-m', 'venv', folder]);
    step(python, ['-m', 'pip', 'install', '--quiet', ...pins.map((pin) => pin.join('=='))]);
    const have = 'from importlib.metadata import version as v; import sys';
    step(python, ['-c', `${have}; sys.exit(any(v(n) != w for n, w in ${JSON.stringify(pins)}))`]);
  });
  return join(home, 'bin', 'python');
}

/**
 * A table of TPC-H as Parquet, in one file or in several with the rows in order.
 * @param {string} table @param {number} scale @param {number} [parts] @returns {string[]} paths
 */
export function tpchTable(table, scale, parts = 1) {
  const recipe = { tpchgen: TPCHGEN, table, scale, parts };
  const home = cached(`tpch-sf${scale}-${table}`, recipe, (folder) => {
    const python = pythonWith({ pyarrow: PYARROW, 'tpchgen-cli': TPCHGEN });
    const wanted = ['-s', String(scale), `--tables=${table}`, `--output-dir=${folder}`];
    const split = parts === 1 ? [] : [`--parts=${parts}`];
    step(join(python, '..', 'tpchgen-cli'), ['parquet', ...split, ...wanted]);
  });
  if (parts === 1) return [join(home, `${table}.parquet`)];
  return Array.from({ length: parts }, (_, i) => join(home, table, `${table}.${i + 1}.parquet`));
}
