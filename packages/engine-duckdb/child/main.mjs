// SPDX-License-Identifier: Apache-2.0
// The locked-down process that DuckDB runs in. Plain JavaScript, because it must start the same way
// from source and from a build, and small, because it is what a worker's measurement pins.
//
// Invariants: those of database.mjs; a statement is run only if it is one SELECT; engine messages
// are told while planning (the tables are empty then) and never of what has met data.
// @ts-check
import { closeSync, openSync, readSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { StatementType } from '@duckdb/node-api';
import { another, name, one, open, opened, parquetRows, serve, text } from './database.mjs';
import { Parts } from './parts.mjs';

/** Where parts of results leave. */
const RESULTS = 4;
const CHUNK_BYTES = 1 << 20;
const SELECT = StatementType.SELECT;
/** The schemas that the database was opened for: planning leaves nothing behind in it. */
let planned = '';

/** Refuses everything but one SELECT. @param {string} sql */
async function prepareSelect(sql) {
  const statements = await opened().extractStatements(sql);
  if (statements.count !== 1) throw new Error('one statement is wanted');
  const prepared = await statements.prepare(0);
  if (prepared.statementType !== SELECT) throw new Error('a SELECT statement is wanted');
  return prepared;
}

/** @param {Uint8Array} bytes */
function send(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(RESULTS, bytes, at);
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'EAGAIN') throw error;
    }
  }
}

/** Hands a file out behind its length, and forgets it. @param {string} file */
function handOut(file) {
  const { size } = statSync(file);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(size));
  send(length);
  const from = openSync(file, 'r');
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, size)));
  for (let left = size; left > 0; ) {
    const read = readSync(from, chunk, 0, Math.min(chunk.length, left), null);
    if (read === 0) throw new Error('a result became shorter');
    send(chunk.subarray(0, read));
    left -= read;
  }
  closeSync(from);
  unlinkSync(file);
}

/** Where parts are made. */
let file = '';
/** The run that parts are asked of. @type {import('./parts.mjs').Parts | undefined} */
let parts;

const operations = {
  /** Empty tables with every schema column. @param {any} request */
  async tables({ id: _id, ...request }) {
    const asked = JSON.stringify(request);
    if (asked === planned) return {};
    planned = '';
    const connection = await open({ ...request, plans: true });
    for (const table of request.tables) {
      const columns = table.columns.map((/** @type {any} */ c) => `${name(c.name)} ${c.type}`);
      await connection.run(`CREATE TABLE ${name(table.name)} (${columns.join(', ')})`);
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

  /** The bound plan, optimiser off. @param {any} request */
  async bind({ sql }) {
    return { json: await one(`SELECT json_serialize_plan(${text(sql)}, optimize := false)`) };
  },

  /** What a statement puts out whose plan has been looked at. @param {any} request */
  async outputs({ sql }) {
    const prepared = await prepareSelect(sql);
    const outputs = [];
    for (let at = 0; at < prepared.columnCount; at += 1) {
      outputs.push({ name: prepared.columnName(at), type: prepared.columnType(at).toString() });
    }
    const parameters = prepared.parameterCount;
    prepared.destroySync();
    return { outputs, parameters };
  },

  /** Makes ready to run planned statements over the files. @param {any} request */
  async run(request) {
    planned = '';
    const connection = await open(request);
    let rowsIn = 0n;
    for (const table of request.tables) {
      const columns = table.columns.map((/** @type {any} */ c) =>
        c.granted
          ? `CAST(${name(c.name)} AS ${c.type}) AS ${name(c.name)}`
          : `CAST(NULL AS ${c.type}) AS ${name(c.name)}`,
      );
      const select = `SELECT ${columns.join(', ')} FROM ${parquetRows(table.files)}`;
      await connection.run(`CREATE VIEW ${name(table.name)} AS ${select}`);
      rowsIn += BigInt(String(await one(`SELECT count(*) FROM ${name(table.name)}`)));
    }
    file = request.file;
    parts = new Parts(await another(), request, prepareSelect);
    return { rowsIn: Number(rowsIn) };
  },

  /** The next part of the results. */
  async part() {
    if (parts === undefined) throw new Error('nothing is run');
    const part = await parts.next();
    handOut(file);
    return { ...part, peakBytes: process.resourceUsage().maxRSS * 1024 };
  },
};

serve(operations, new Set(['run', 'part']));
