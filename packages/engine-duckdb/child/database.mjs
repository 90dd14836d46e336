// SPDX-License-Identifier: Apache-2.0
// The one database of a child's process, and the requests that it answers. What a worker runs and
// what a recipient converts are scripts of their own (main.mjs, export.mjs); both stand on this.
//
// Invariants: a database knows only the files named for this request, and its settings are locked
// before it sees a statement of anybody's; of an operation that has met data nothing is told but
// that it failed.
// @ts-check
import { closeSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { DuckDBInstance } from '@duckdb/node-api';

/** Nothing is read from a file's path, and all files have the first one's schema. */
const PLAIN_FILES = 'union_by_name=false, hive_partitioning=false, filename=false';
/** Strings inside a statement; NUL cannot be in one. */
export const text = (/** @type {string} */ value) => `'${value.replaceAll("'", "''")}'`;
export const name = (/** @type {string} */ value) => `"${value.replaceAll('"', '""')}"`;

/** Parquet files as what follows FROM. @param {readonly string[]} files */
export function parquetRows(files) {
  return `read_parquet([${files.map(text).join(',')}], ${PLAIN_FILES})`;
}

/** @type {import('@duckdb/node-api').DuckDBInstance | undefined} */
let database;
/** @type {import('@duckdb/node-api').DuckDBConnection | undefined} */
let connection;

/**
 * A fresh database. The order of the settings matters: what they forbid includes changing them.
 * One that only plans has no optimiser: it would evaluate what is constant in a statement.
 * @param {{ memoryBytes: number, threads: number, allowed: string[], plans?: boolean }} limits
 */
export async function open({ memoryBytes, threads, allowed, plans = false }) {
  connection?.closeSync();
  database?.closeSync();
  database = await DuckDBInstance.create(':memory:', {
    memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
    threads: String(threads),
  });
  connection = await database.connect();
  if (plans) await connection.run('PRAGMA disable_optimizer');
  for (const setting of [
    `allowed_paths=[${allowed.map(text).join(',')}]`,
    `temp_directory=''`,
    'autoinstall_known_extensions=false',
    'autoload_known_extensions=false',
    'allow_community_extensions=false',
    `TimeZone='UTC'`,
    'scalar_subquery_error_on_multiple_rows=false',
    'enable_progress_bar=false',
    'preserve_insertion_order=true',
    'errors_as_json=false',
    'enable_external_access=false',
    'lock_configuration=true',
  ]) {
    await connection.run(`SET ${setting}`);
  }
  return connection;
}

/** The connection that `open` made. */
export function opened() {
  if (connection === undefined) throw new Error('not open');
  return connection;
}

/** One more connection to the database that `open` made. */
export function another() {
  if (database === undefined) throw new Error('not open');
  return database.connect();
}

/** The first value of the first row. @param {string} sql */
export async function one(sql) {
  const reader = await opened().runAndReadAll(sql);
  return reader.getRows()[0]?.[0];
}

/** @param {unknown} value */
function say(value) {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(3, bytes, at);
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'EAGAIN') process.exit(1);
    }
  }
}

/**
 * Answers requests one after another: one JSON line in (stdin), one JSON line out (fd 3).
 * @param {Readonly<Record<string, (request: any) => Promise<object>>>} operations
 * @param {ReadonlySet<string>} blind operations that meet data: of their failures nothing is told
 */
export function serve(operations, blind) {
  let busy = Promise.resolve();
  createInterface({ input: process.stdin, crlfDelay: Infinity })
    .on('line', (line) => {
      const request = JSON.parse(line);
      if (request.op === 'interrupt') {
        connection?.interrupt();
        return;
      }
      busy = busy.then(async () => {
        try {
          const operation = Object.hasOwn(operations, request.op)
            ? operations[request.op]
            : undefined;
          if (operation === undefined) throw new Error('no such operation');
          say({ id: request.id, ok: await operation(request) });
        } catch (error) {
          const told = !blind.has(request.op) && error instanceof Error;
          const message = told ? error.message.slice(0, 300) : '';
          say({ id: request.id, failed: message });
        }
      });
    })
    .on('close', () => {
      closeSync(3);
      process.exit(0);
    });
  say({ id: 0, ok: {} });
}
