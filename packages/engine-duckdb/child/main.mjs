// SPDX-License-Identifier: Apache-2.0
// The locked-down process that DuckDB runs in. Plain JavaScript, because it must start the same way
// from source and from a build, and small, because it is what a worker's measurement pins. One JSON
// line in (stdin), one JSON line out (fd 3); nothing else is read or said.
//
// Invariants: a database knows only the files named for this run, and its settings are locked
// before it sees a statement of anybody's; a statement is run only if it is one SELECT; engine
// messages are told while planning (the tables are empty then) and never of what has met data.
// @ts-check
import { closeSync, statSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { DuckDBInstance, StatementType } from '@duckdb/node-api';

const SELECT = StatementType.SELECT;
/** Nothing is read from a file's path, and all files have the first one's schema. */
const PLAIN_FILES = 'union_by_name=false, hive_partitioning=false, filename=false';
/** Strings inside a statement; NUL cannot be in one. */
const text = (/** @type {string} */ value) => `'${value.replaceAll("'", "''")}'`;
const name = (/** @type {string} */ value) => `"${value.replaceAll('"', '""')}"`;

/** @type {import('@duckdb/node-api').DuckDBInstance | undefined} */
let database;
/** @type {import('@duckdb/node-api').DuckDBConnection | undefined} */
let connection;
/** The schemas that the database was opened for: planning leaves nothing behind in it. */
let planned = '';

/**
 * A fresh database. The order of the settings matters: what they forbid includes changing them.
 * @param {{ memoryBytes: number, threads: number, allowed: string[] }} limits
 */
async function open({ memoryBytes, threads, allowed }) {
  connection?.closeSync();
  database?.closeSync();
  database = await DuckDBInstance.create(':memory:', {
    memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
    threads: String(threads),
  });
  connection = await database.connect();
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

/** @param {string} sql */
async function one(sql) {
  if (connection === undefined) throw new Error('not open');
  const reader = await connection.runAndReadAll(sql);
  return reader.getRows()[0]?.[0];
}

/** Refuses everything but one SELECT. @param {string} sql */
async function prepareSelect(sql) {
  if (connection === undefined) throw new Error('not open');
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) throw new Error('one statement is wanted');
  const prepared = await statements.prepare(0);
  if (prepared.statementType !== SELECT) throw new Error('a SELECT statement is wanted');
  return prepared;
}

/**
 * Runs one SELECT into its file; what it puts out is taken from what is left to the run.
 * @param {import('@duckdb/node-api').DuckDBConnection} opened
 * @param {{ sql: string, file: string, outputs: { name: string, type: string }[] }} statement
 * @param {{ rows: bigint, bytes: number }} left
 */
async function runOne(opened, { sql, file, outputs }, left) {
  (await prepareSelect(sql)).destroySync();
  await opened.run(`CREATE TEMP TABLE cloister_result AS ${sql}`);
  left.rows -= BigInt(String(await one('SELECT count(*) FROM temp.main.cloister_result')));
  if (left.rows < 0n) throw new Error('too many rows');
  const casts = outputs.map((o) => `CAST(${name(o.name)} AS ${o.type}) AS ${name(o.name)}`);
  await opened.run(
    `COPY (SELECT ${casts.join(', ')} FROM temp.main.cloister_result) ` +
      `TO ${text(file)} (FORMAT parquet, COMPRESSION snappy)`,
  );
  await opened.run('DROP TABLE temp.main.cloister_result');
  left.bytes -= statSync(file).size;
  if (left.bytes < 0) throw new Error('too many bytes');
}

/**
 * JSON has no numbers that are not finite: they are texts, as in the JSON of protocol buffers.
 * @param {string} rows
 */
async function jsonColumns(rows) {
  if (connection === undefined) throw new Error('not open');
  const described = await connection.runAndReadAll(`DESCRIBE ${rows}`);
  const columns = described.getRows().map(([column, type]) => {
    const x = name(String(column));
    if (type !== 'FLOAT' && type !== 'DOUBLE') return x;
    const sign = `CASE WHEN ${x} > 0 THEN 'Infinity' ELSE '-Infinity' END`;
    const word = `CASE WHEN isnan(${x}) THEN 'NaN' ELSE ${sign} END`;
    const finite = `WHEN isfinite(${x}) THEN to_json(${x})`;
    return `CASE WHEN ${x} IS NULL THEN NULL ${finite} ELSE to_json(${word}) END AS ${x}`;
  });
  return columns.join(', ');
}

const operations = {
  /** Empty tables with every schema column. @param {any} request */
  async tables({ id: _id, ...request }) {
    const asked = JSON.stringify(request);
    if (asked === planned) return {};
    planned = '';
    const opened = await open(request);
    for (const table of request.tables) {
      const columns = table.columns.map((/** @type {any} */ c) => `${name(c.name)} ${c.type}`);
      await opened.run(`CREATE TABLE ${name(table.name)} (${columns.join(', ')})`);
    }
    planned = asked;
    return {};
  },

  /** Parses only. @param {any} request */
  async parse({ sql }) {
    return { json: await one(`SELECT json_serialize_sql(${text(sql)})`) };
  },

  /** A parse tree as SQL again. @param {any} request */
  async print({ json }) {
    return { sql: await one(`SELECT json_deserialize_sql(${text(json)}::JSON)`) };
  },

  /** The bound plan, optimiser off, and the statement's outputs. @param {any} request */
  async bind({ sql }) {
    const json = await one(`SELECT json_serialize_plan(${text(sql)}, optimize := false)`);
    if (JSON.parse(String(json)).error === true) return { json, outputs: [] };
    const prepared = await prepareSelect(sql);
    const outputs = [];
    for (let at = 0; at < prepared.columnCount; at += 1) {
      outputs.push({ name: prepared.columnName(at), type: prepared.columnType(at).toString() });
    }
    const parameters = prepared.parameterCount;
    prepared.destroySync();
    return { json, outputs, parameters };
  },

  /** Runs planned statements over the files and writes the results. @param {any} request */
  async run(request) {
    planned = '';
    const opened = await open(request);
    let rowsIn = 0n;
    for (const table of request.tables) {
      const source = `read_parquet([${table.files.map(text).join(',')}], ${PLAIN_FILES})`;
      const columns = table.columns.map((/** @type {any} */ c) =>
        c.granted
          ? `CAST(${name(c.name)} AS ${c.type}) AS ${name(c.name)}`
          : `CAST(NULL AS ${c.type}) AS ${name(c.name)}`,
      );
      const select = `SELECT ${columns.join(', ')} FROM ${source}`;
      await opened.run(`CREATE VIEW ${name(table.name)} AS ${select}`);
      rowsIn += BigInt(String(await one(`SELECT count(*) FROM ${name(table.name)}`)));
    }
    const left = { rows: BigInt(request.outputRows), bytes: request.outputBytes };
    for (const statement of request.statements) await runOne(opened, statement, left);
    const rowsOut = Number(BigInt(request.outputRows) - left.rows);
    const peakKb = process.resourceUsage().maxRSS;
    return { rowsIn: Number(rowsIn), rowsOut, peakBytes: peakKb * 1024 };
  },

  /** A Parquet file of somebody's as text. @param {any} request */
  async text({ file, out, format, ...settings }) {
    planned = '';
    const opened = await open(settings);
    const rows = `FROM read_parquet([${text(file)}], ${PLAIN_FILES})`;
    const select = format === 'csv' ? rows : `SELECT ${await jsonColumns(rows)} ${rows}`;
    const form = format === 'csv' ? 'FORMAT csv, HEADER' : 'FORMAT json';
    await opened.run(`COPY (${select}) TO ${text(out)} (${form})`);
    return {};
  },
};

/** Operations that meet data: of their failures nothing is told. */
const BLIND = new Set(['run', 'text']);

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
        const operation = operations[/** @type {keyof typeof operations} */ (request.op)];
        say({ id: request.id, ok: await operation(request) });
      } catch (error) {
        const told = !BLIND.has(request.op) && error instanceof Error;
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
