// SPDX-License-Identifier: Apache-2.0
// The locked-down process that DuckDB runs in. Plain JavaScript, because it must start the same way
// from source and from a build, and small, because it is what a worker's measurement pins.
//
// Invariants: those of database.mjs; a statement is run only if it is one SELECT; engine messages
// are told while planning (the tables are empty then) and never of what has met data.
// @ts-check
import { statSync } from 'node:fs';
import { StatementType } from '@duckdb/node-api';
import { name, one, open, opened, parquetRows, serve, text } from './database.mjs';

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

/**
 * Runs one SELECT into its file; what it puts out is taken from what is left to the run.
 * @param {import('@duckdb/node-api').DuckDBConnection} connection
 * @param {{ sql: string, file: string, outputs: { name: string, type: string }[] }} statement
 * @param {{ rows: bigint, bytes: number }} left
 */
async function runOne(connection, { sql, file, outputs }, left) {
  (await prepareSelect(sql)).destroySync();
  await connection.run(`CREATE TEMP TABLE cloister_result AS ${sql}`);
  left.rows -= BigInt(String(await one('SELECT count(*) FROM temp.main.cloister_result')));
  if (left.rows < 0n) throw new Error('too many rows');
  const casts = outputs.map((o) => `CAST(${name(o.name)} AS ${o.type}) AS ${name(o.name)}`);
  await connection.run(
    `COPY (SELECT ${casts.join(', ')} FROM temp.main.cloister_result) ` +
      `TO ${text(file)} (FORMAT parquet, COMPRESSION snappy)`,
  );
  await connection.run('DROP TABLE temp.main.cloister_result');
  left.bytes -= statSync(file).size;
  if (left.bytes < 0) throw new Error('too many bytes');
}

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

  /** Runs planned statements over the files and writes the results. @param {any} request */
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
    const left = { rows: BigInt(request.outputRows), bytes: request.outputBytes };
    for (const statement of request.statements) await runOne(connection, statement, left);
    const rowsOut = Number(BigInt(request.outputRows) - left.rows);
    const peakKb = process.resourceUsage().maxRSS;
    return { rowsIn: Number(rowsIn), rowsOut, peakBytes: peakKb * 1024 };
  },
};

serve(operations, new Set(['run']));
