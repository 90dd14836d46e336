// SPDX-License-Identifier: Apache-2.0
// TPC-H whole: every table in Parquet by PyPI `tpchgen-cli`, the 22 query texts out of PyPI
// `duckdb-extension-tpch`, of pinned versions, made once in the cache. Neither data nor texts are
// in the repository. Plain JavaScript, because benches and `tools/test-real.js` need no build.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.js';
import { step } from './programs.js';
import { pythonWith, tpchTable } from './python.js';

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
    return [table, tpchTable(table, scale, Math.ceil((rows * scale) / ROWS_IN_A_FILE))];
  });
  return { tables: Object.fromEntries(tables), queries: tpchQueries() };
}

/** @returns {string[]} */
function tpchQueries() {
  const home = cached('tpch-queries', { duckdb: DUCKDB, program: QUERIES }, (folder) => {
    const python = pythonWith({ duckdb: DUCKDB, 'duckdb-extension-tpch': DUCKDB });
    step(python, ['-c', QUERIES, join(folder, 'queries.json')]);
  });
  return JSON.parse(readFileSync(join(home, 'queries.json'), 'utf8'));
}
