// SPDX-License-Identifier: Apache-2.0
// TPC-H whole: every table in Parquet by PyPI `tpchgen-cli`, the 22 query texts out of PyPI
// `duckdb-extension-tpch`, of pinned versions, made once in the cache. Neither data nor texts are
// in the repository. Plain JavaScript, because benches and `tools/test-real.js` need no build.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from './peers.js';
import { PYARROW, pythonWith, setUp, TPCHGEN, tpchTable } from './python.js';

/** The extension loads into this version of DuckDB and no other. */
const DUCKDB = '1.5.5';
/** What is larger is made as several files, each far below what a blob may have. */
const ROWS_IN_A_FILE = 12_000_000;

/** Every table, with its rows at scale factor 1. */
export const TPCH_TABLES = {
  region: 5,
  nation: 25,
  supplier: 10_000,
  customer: 150_000,
  part: 200_000,
  partsupp: 800_000,
  orders: 1_500_000,
  lineitem: 6_000_000,
};

const QUERIES = `
import duckdb, duckdb_extension_tpch, glob, json, os, sys
folder = os.path.dirname(duckdb_extension_tpch.__file__)
[extension] = glob.glob(folder + '/extensions/*/tpch.duckdb_extension')
db = duckdb.connect(config={'allow_unsigned_extensions': 'true'})
db.execute("LOAD '" + extension + "'")
rows = db.execute('SELECT query FROM tpch_queries() ORDER BY query_nr').fetchall()
json.dump([row[0] for row in rows], open(sys.argv[1], 'w'))
`;

/**
 * The Parquet files of each table at a scale factor, and the 22 queries in order.
 * @param {number} scale
 * @returns {{ tables: Record<string, string[]>, queries: string[] }}
 * @throws Error that says why Python, a package or a table cannot be had
 */
export function tpch(scale) {
  const tables = Object.entries(TPCH_TABLES).map(([table, rows]) => {
    const parts = Math.ceil((rows * scale) / ROWS_IN_A_FILE);
    return [table, parts === 1 ? [tpchTable(table, scale)] : tableInParts(table, scale, parts)];
  });
  return { tables: Object.fromEntries(tables), queries: tpchQueries() };
}

/** @returns {string[]} */
function tpchQueries() {
  const path = join(CACHE, `tpch-queries-${DUCKDB}.json`);
  if (!existsSync(path)) {
    const python = pythonWith({ duckdb: DUCKDB, 'duckdb-extension-tpch': DUCKDB });
    setUp(python, ['-c', QUERIES, `${path}.new`]);
    renameSync(`${path}.new`, path);
  }
  return JSON.parse(readFileSync(path, 'utf8'));
}

/**
 * @param {string} table @param {number} scale @param {number} parts
 * @returns {string[]} the files in the order of their rows
 */
function tableInParts(table, scale, parts) {
  const folder = join(CACHE, `tpch-${TPCHGEN}-sf${scale}-parts`);
  const done = join(folder, `${table}-${parts}`);
  if (!existsSync(done)) {
    const python = pythonWith({ pyarrow: PYARROW, 'tpchgen-cli': TPCHGEN });
    const work = `${done}.new`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    const wanted = ['-s', String(scale), `--tables=${table}`, `--output-dir=${work}`];
    setUp(join(python, '..', 'tpchgen-cli'), ['parquet', `--parts=${parts}`, ...wanted]);
    renameSync(join(work, table), done);
    rmSync(work, { recursive: true });
  }
  return Array.from({ length: parts }, (_, i) => join(done, `${table}.${i + 1}.parquet`));
}
