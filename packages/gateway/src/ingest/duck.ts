// SPDX-License-Identifier: Apache-2.0
// DuckDB for the length of one task: in this process, in memory, with bounded memory and only the
// named paths within reach. Its messages can quote cell values, so they never leave this file: a
// failure becomes the code that the caller names.

import { isCoded } from '@cloister/core';
import {
  type DuckDBBlobValue,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBValue,
  type JS,
} from '@duckdb/node-api';
import { parquetEncrypted } from './detect.ts';
import { type IngestErrorCode, ingestError } from './errors.ts';

const MEMORY_LIMIT = '1GB';
const THREADS = 2;

/** A value as the engine gives it. */
export type EngineValue = DuckDBValue;

/** The bytes of a value of a BLOB. */
export function bytesOf(value: EngineValue): Uint8Array {
  return (value as DuckDBBlobValue).bytes;
}

/** Rows: `getColumnVector` and `getColumnValues` by the position of a column. */
export type EngineChunk = Pick<
  DuckDBDataChunk,
  'rowCount' | 'columnCount' | 'getColumnVector' | 'getColumnValues'
>;

export interface Duck {
  /** Rows as arrays of values; `code` and `message` are what a failure becomes. */
  query(sql: string, code: IngestErrorCode, message: string): Promise<JS[][]>;
  /** Some thousand rows at a time, in order. */
  stream(sql: string, code: IngestErrorCode, message: string): AsyncGenerator<EngineChunk>;
}

/** Opens an engine that reaches `paths` only; on two threads unless told. */
export async function withDuck<T>(
  paths: readonly string[],
  task: (duck: Duck) => Promise<T>,
  threads = THREADS,
): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY_LIMIT,
    threads: String(threads),
  });
  const connection = await instance.connect();
  try {
    await connection.run(`SET allowed_paths=[${paths.map(literal).join(', ')}]`);
    for (const setting of [
      "temp_directory=''",
      // The machine's place and its processors change no value.
      "TimeZone='UTC'",
      "Calendar='gregorian'",
      'preserve_insertion_order=true',
      'autoinstall_known_extensions=false',
      'autoload_known_extensions=false',
      'allow_community_extensions=false',
      'enable_external_access=false',
      'lock_configuration=true',
    ]) {
      await connection.run(`SET ${setting}`);
    }
    return await task({
      async query(sql, code, message) {
        try {
          const reader = await connection.runAndReadAll(sql);
          return reader.getRowsJS();
        } catch (cause) {
          throw translate(cause, code, message);
        }
      },
      async *stream(sql, code, message) {
        try {
          const result = await connection.stream(sql);
          for (;;) {
            const chunk = await result.fetchChunk();
            if (chunk === null || chunk.rowCount === 0) return;
            yield chunk;
          }
        } catch (cause) {
          if (isCoded(cause)) throw cause;
          throw translate(cause, code, message);
        }
      },
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** A query that ends itself by SQL's error() with these words fails with `stopped` in details. */
export const STOP = 'stopped by the query itself';

function translate(cause: unknown, code: IngestErrorCode, message: string): Error {
  const text = cause instanceof Error ? cause.message : '';
  if (text === `Invalid Input Error: ${STOP}`) {
    return ingestError(code, message, { details: { stopped: true } });
  }
  if (/encrypt/i.test(text)) return parquetEncrypted();
  return failedHere(text) ?? ingestError(code, `${message}${whyOf(text)}`);
}

/**
 * What is no fault of the file, by the beginning and the kind of the engine's message: memory, a
 * disk that cannot be written, and, told apart from that, one that cannot be read.
 */
export function failedHere(text: string): Error | undefined {
  if (/out of memory/i.test(text)) {
    const message = `working on the file needs more than ${MEMORY_LIMIT} of memory`;
    return ingestError('conversion-failed', `${message}: divide it into several files`);
  }
  if (!/^IO Error/.test(text)) return undefined;
  if (/writ|space|sync|creat|truncat|renam/i.test(text)) {
    return ingestError('conversion-failed', 'the disk could not be written: is it full?');
  }
  return ingestError('input-unreadable', 'the file could not be read from the disk: try again');
}

/** What kind of failure it was, by the beginning of the engine's message; nothing of its rest. */
function whyOf(text: string): string {
  const value = /^(?:Conversion|Invalid Input) Error/.test(text);
  return value ? '; a row or a value of it could not be read' : '';
}

/**
 * A Parquet file as what follows FROM: its path says nothing of its rows. `numbered` adds a column
 * file_row_number.
 */
export function parquetRows(path: string, numbered = false): string {
  const plain =
    'union_by_name=false, hive_partitioning=false, filename=false' +
    (numbered ? ', file_row_number=true' : '');
  return `read_parquet([${literal(path)}], ${plain})`;
}

/** A text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
