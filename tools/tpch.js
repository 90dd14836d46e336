// SPDX-License-Identifier: Apache-2.0
// TPC-H as its published packages make it: tables in Parquet by PyPI `tpchgen-cli`, the 22 query
// texts out of PyPI `duckdb-extension-tpch`, both of pinned versions in an environment of their own
// in the cache. Neither data nor texts are in the repository. Plain JavaScript, because benches and
// `tools/test-real.js` run without a build.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const TPCHGEN = '4.0.0';
/** The extension loads into this DuckDB and no other. */
const DUCKDB = '1.5.5';
const SETUP_TIMEOUT_MS = 10 * 60_000;
/** Tables whose files would be too large for one blob are made in parts of about this many rows. */
const ROWS_IN_A_PART = 12_000_000;

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
 * @throws Error that says what is missing, when Python or the packages cannot be had
 */
export function tpch(scale) {
  const cache = process.env['CLOISTER_CACHE'] ?? join(homedir(), '.cache', 'cloister');
  const folder = join(cache, `tpch-${TPCHGEN}-duckdb-${DUCKDB}`);
  mkdirSync(folder, { recursive: true });
  const environment = join(folder, 'python');
  if (!existsSync(join(environment, 'ready'))) setUpPython(environment);
  const python = join(environment, 'bin', 'python');
  const texts = join(folder, 'queries.json');
  if (!existsSync(texts)) {
    run(python, ['-c', QUERIES, `${texts}.new`]);
    renameSync(`${texts}.new`, texts);
  }
  /** @type {Record<string, string[]>} */
  const tables = {};
  for (const [table, rows] of Object.entries(TPCH_TABLES)) {
    const parts = Math.ceil((rows * scale) / ROWS_IN_A_PART);
    tables[table] = generate(join(environment, 'bin', 'tpchgen-cli'), {
      folder: join(folder, `sf${scale}`),
      table,
      scale,
      parts,
    });
  }
  return { tables, queries: JSON.parse(readFileSync(texts, 'utf8')) };
}

/** @param {string} environment */
function setUpPython(environment) {
  run('python3', ['-m', 'venv', '--clear', environment]);
  const packages = [
    `tpchgen-cli==${TPCHGEN}`,
    `duckdb==${DUCKDB}`,
    `duckdb-extension-tpch==${DUCKDB}`,
  ];
  run(join(environment, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', ...packages]);
  mkdirSync(join(environment, 'ready'));
}

/**
 * One table's files; what was made before is used again.
 * @param {string} generator
 * @param {{ folder: string, table: string, scale: number, parts: number }} of
 * @returns {string[]}
 */
function generate(generator, { folder, table, scale, parts }) {
  const done = join(folder, table);
  if (!existsSync(done)) {
    const fresh = join(folder, `${table}.new`);
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    const options = [`--scale-factor=${scale}`, `--tables=${table}`, `--output-dir=${fresh}`];
    run(generator, ['parquet', '--quiet', `--parts=${parts}`, ...options]);
    renameSync(join(fresh, table), done);
    rmSync(fresh, { recursive: true });
  }
  const number = (/** @type {string} */ name) => Number(/\.(\d+)\.parquet$/.exec(name)?.[1] ?? 0);
  const files = readdirSync(done).filter((name) => name.endsWith('.parquet'));
  return files.sort((a, b) => number(a) - number(b)).map((name) => join(done, name));
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const ran = spawnSync(command, args, { encoding: 'utf8', timeout: SETUP_TIMEOUT_MS });
  if (ran.status === 0) return;
  const said = `${ran.stdout ?? ''}${ran.stderr ?? ''}`.trim().split('\n').slice(-3).join('\n');
  const missing = /** @type {any} */ (ran.error)?.code === 'ENOENT';
  const why = missing ? 'it is not installed' : (ran.error?.message ?? said);
  throw new Error(`TPC-H needs Python 3 with venv: \`${command} ${args[0]} ...\` failed: ${why}`);
}
