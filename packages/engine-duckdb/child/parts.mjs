// SPDX-License-Identifier: Apache-2.0
// The results of a run, part by part: a statement is streamed, what has come is kept in a table
// until it is as large as a part may be, and that table is written as Parquet. So neither a result
// nor its file is ever whole in this process, unless the statement itself needs all of its rows
// at once (an order, groups).
//
// Invariants: rows keep their order; what a run puts out is taken from what is left to it before
// anybody sees it; a part has a row at least, unless its statement has none.
// @ts-check
import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { name, text } from './database.mjs';

const PART = 'temp.main.cloister_part';
/** Chunks (2,048 rows each) between two looks at what the table takes. */
const CHUNKS_MAX = 64;
// A chunk's memory is DuckDB's, of which V8 knows nothing: unless it is told to collect, chunks and
// appenders stay until they are more than the process may have.
const GARBAGE_BYTES = 16 * 1024 * 1024;
setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collect = runInNewContext('gc');

const TAKEN = `SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'`;

/**
 * @typedef {{ sql: string, outputs: { name: string, type: string }[] }} Statement
 * @typedef {import('@duckdb/node-api').DuckDBConnection} Connection
 * @typedef {import('@duckdb/node-api').DuckDBPreparedStatement} Prepared
 * @typedef {import('@duckdb/node-api').DuckDBDataChunk} Chunk
 */

export class Parts {
  /** Apart from the connection that streams. @type {Connection} */
  #writer;
  /** @type {(sql: string) => Promise<Prepared>} */
  #prepare;
  /** @type {Statement[]} */
  #statements;
  #file = '';
  #partBytes = 0;
  #left = { rows: 0, bytes: 0 };
  #statement = -1;
  /** @type {import('@duckdb/node-api').DuckDBResult | undefined} */
  #stream;
  /** What is streamed. @type {Prepared | undefined} */
  #prepared;
  /** Fetched and in no part yet. @type {Chunk | null} */
  #ahead = null;
  #table = '';
  #garbage = 0;

  /**
   * @param {Connection} writer
   * @param {{ statements: Statement[], file: string, partBytes: number, outputRows: number,
   *   outputBytes: number }} request
   * @param {(sql: string) => Promise<Prepared>} prepare refuses all but one SELECT
   */
  constructor(writer, request, prepare) {
    this.#writer = writer;
    this.#prepare = prepare;
    this.#statements = request.statements;
    this.#file = request.file;
    this.#partBytes = request.partBytes;
    this.#left = { rows: request.outputRows, bytes: request.outputBytes };
  }

  /** Writes the next part; `end` with the last one. */
  async next() {
    if (this.#stream === undefined) await this.#begin();
    await this.#writer.run(this.#table);
    const rows = await this.#fill();
    const { outputs } = /** @type {Statement} */ (this.#statements[this.#statement]);
    const casts = outputs.map((o) => `CAST(${name(o.name)} AS ${o.type}) AS ${name(o.name)}`);
    await this.#writer.run(
      `COPY (SELECT ${casts.join(', ')} FROM ${PART}) ` +
        `TO ${text(this.#file)} (FORMAT parquet, COMPRESSION snappy)`,
    );
    await this.#writer.run(`DROP TABLE ${PART}`);
    this.#left.bytes -= statSync(this.#file).size;
    if (this.#left.bytes < 0) throw new Error('too many bytes');
    const statement = this.#statement;
    if (this.#ahead === null) {
      this.#stream = undefined;
      this.#prepared?.destroySync();
    }
    const end = this.#ahead === null && statement === this.#statements.length - 1;
    return { statement, rows, end };
  }

  async #begin() {
    this.#statement += 1;
    const statement = this.#statements[this.#statement];
    if (statement === undefined) throw new Error('nothing is left to run');
    const prepared = await this.#prepare(statement.sql);
    this.#prepared = prepared;
    const columns = Array.from({ length: prepared.columnCount }, (_, at) => {
      return `${name(prepared.columnName(at))} ${prepared.columnType(at)}`;
    });
    this.#table = `CREATE TEMP TABLE ${PART} (${columns.join(', ')})`;
    this.#stream = await prepared.stream();
    await this.#fetch();
  }

  async #fetch() {
    const chunk = (await this.#stream?.fetchChunk()) ?? null;
    this.#ahead = chunk === null || chunk.rowCount === 0 ? null : chunk;
  }

  /** Fills the table; answers how many rows it has. */
  async #fill() {
    const appender = await this.#writer.createAppender('cloister_part', 'main', 'temp');
    let rows = 0;
    let chunks = 0;
    let seen = 0;
    for (let look = 1; this.#ahead !== null; ) {
      appender.appendDataChunk(this.#ahead);
      rows += this.#ahead.rowCount;
      // The table has its own copy now.
      this.#ahead.reset();
      if (rows > this.#left.rows) throw new Error('too many rows');
      await this.#fetch();
      chunks += 1;
      if (chunks < look) continue;
      appender.flushSync();
      const taken = await this.#taken();
      await this.#collect(taken - seen);
      seen = taken;
      if (taken >= this.#partBytes) break;
      // Half of what seems to be left: values may grow.
      const more = Math.floor((this.#partBytes - taken) / 2 / (taken / chunks + 1));
      look = chunks + Math.max(1, Math.min(CHUNKS_MAX, more));
    }
    appender.closeSync();
    this.#left.rows -= rows;
    return rows;
  }

  /** Chunks of so many bytes more are garbage. @param {number} bytes */
  async #collect(bytes) {
    this.#garbage += bytes;
    if (this.#garbage < GARBAGE_BYTES) return;
    this.#garbage = 0;
    collect();
    await setImmediate();
  }

  async #taken() {
    const reader = await this.#writer.runAndReadAll(TAKEN);
    return Number(reader.getRows()[0]?.[0] ?? 0);
  }
}
