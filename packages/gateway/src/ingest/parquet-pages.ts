// SPDX-License-Identifier: Apache-2.0
// Every page of a Parquet file is read before anything is made of it: its framing and checksum by
// our own reader, its values by the engine. What cannot be read is told by what it is: a codec or
// an encoding by name, damage by column and row group.
import { isCoded } from '@cloister/core';
import {
  checkPages,
  type InspectedColumn as Leaf,
  type PagesOfColumn,
  type PagesReport,
  type RandomAccess,
} from '@cloister/parquet-crypto';
import { type Duck, identifier, parquetRows } from './duck.ts';
import { ingestError } from './errors.ts';
import type { ParquetColumn } from './parquet-columns.ts';

/** What both readers know. */
const READ_CODECS: ReadonlySet<string> = new Set([
  'UNCOMPRESSED',
  'SNAPPY',
  'GZIP',
  'BROTLI',
  'ZSTD',
  'LZ4_RAW',
]);
const EVERY: readonly string[] = ['PLAIN', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY'];
const NUMBERS = [...EVERY, 'DELTA_BINARY_PACKED'];
const REALS = [...EVERY, 'BYTE_STREAM_SPLIT'];
/** How the values of a page may be written, by physical type. */
const READ_ENCODINGS: Readonly<Record<Leaf['physicalType'], readonly string[]>> = {
  BOOLEAN: ['PLAIN', 'RLE'],
  INT32: NUMBERS,
  INT64: NUMBERS,
  INT96: EVERY,
  FLOAT: REALS,
  DOUBLE: REALS,
  BYTE_ARRAY: [...EVERY, 'DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY'],
  FIXED_LEN_BYTE_ARRAY: [...EVERY, 'DELTA_BYTE_ARRAY'],
};
/**
 * Says which codec cannot be read, before a page is met. Encodings are told by the pages: footers
 * list some that no page has.
 * @throws CodedError `parquet-encoding-unsupported`
 */
export function refuseCodecs({ path, sizes }: Leaf): void {
  const codec = sizes?.codecs.find((one) => !READ_CODECS.has(one));
  if (codec !== undefined) throw unreadable(path, `the codec ${codec}`);
}

/**
 * Reads all pages, checks them, and says what cannot be read by what they have themselves.
 * @throws CodedError `page-damaged`, `parquet-encoding-unsupported`, `parquet-malformed`
 */
export async function checkAllPages(file: RandomAccess): Promise<PagesReport> {
  const report = await checkPages(file).catch((error: unknown) => {
    if (isCoded(error, 'page-damaged')) {
      throw ingestError('page-damaged', `${error.message}; ${AGAIN}`, { details: error.details });
    }
    throw isCoded(error) ? ingestError('parquet-malformed', error.message) : error;
  });
  for (const column of report.columns) refuseEncodings(column);
  return report;
}

/** @throws CodedError `parquet-encoding-unsupported` */
export function refuseEncodings({ leaf, encodings, levelEncodings }: PagesOfColumn): void {
  const { path, physicalType } = leaf;
  const other = [...encodings].find((one) => !READ_ENCODINGS[physicalType].includes(one));
  if (other !== undefined) throw unreadable(path, `the encoding ${other} of ${physicalType}`);
  // Where no value can be absent there are no levels, whatever is said of them.
  const levels = leaf.nullable && [...levelEncodings].find((one) => one !== 'RLE');
  if (typeof levels !== 'string') return;
  throw unreadable(path, `the encoding ${levels} of which values are absent`);
}

function unreadable(column: string, what: string): Error {
  const message =
    `column ${column} is written with ${what}, which cannot be read here: ` +
    "write it with ZSTD and its writer's usual encodings";
  return ingestError('parquet-encoding-unsupported', message, { details: { column } });
}

const AGAIN = 'write the file again, or fetch it again from where it came';
const DAMAGED = `the Parquet file cannot be read: its values are damaged; ${AGAIN}`;
/** The engine's, to find a row group by; a file may have a column of this name itself. */
const ROW_NUMBER = 'file_row_number';

/** A Parquet file for the engine, and what our own reader has found in it. */
export interface EngineParquet {
  readonly path: string;
  readonly columns: readonly ParquetColumn[];
  /** Rows of each row group. */
  readonly rowGroups: readonly number[];
}

/**
 * Decodes every value; answers how many rows there are, and how many values are absent by column.
 * @throws CodedError `page-damaged` with column and row group; `parquet-malformed` where these are
 * not found
 */
export async function decodeAll(
  duck: Duck,
  file: EngineParquet,
): Promise<{ rows: number; nulls: number[] }> {
  const { path, columns } = file;
  const sums = columns.map(({ name }) => `count(*) - count(${identifier(name)})`);
  const reads = columns.map(({ name }) => decoded(name));
  const sql = `SELECT count(*), ${[...sums, ...reads].join(', ')} FROM ${parquetRows(path)}`;
  try {
    const [row] = await duck.query(sql, 'parquet-malformed', DAMAGED);
    return { rows: Number(row?.[0] ?? 0), nulls: columns.map((_, i) => Number(row?.[i + 1])) };
  } catch (error) {
    if (!isCoded(error, 'parquet-malformed')) throw error;
    throw (await placeOf(duck, file)) ?? error;
  }
}

/** A hash of a value takes the value: counts and extremes alone come from statistics. */
function decoded(name: string): string {
  return `bit_xor(hash(${identifier(name)}))`;
}

/** Tries each column, and of the first that fails each row group. */
async function placeOf(duck: Duck, file: EngineParquet): Promise<Error | undefined> {
  const { path, columns, rowGroups } = file;
  const fails = (name: string, from: string) =>
    duck.query(`SELECT ${decoded(name)} FROM ${from}`, 'parquet-malformed', DAMAGED).then(
      () => false,
      (error: unknown) => isCoded(error, 'parquet-malformed'),
    );
  for (const { name } of columns) {
    if (!(await fails(name, parquetRows(path)))) continue;
    if (columns.some((one) => one.name.toLowerCase() === ROW_NUMBER)) return damaged(name);
    let from = 0;
    for (const [rowGroup, rows] of rowGroups.entries()) {
      const within = `${ROW_NUMBER} >= ${from} AND ${ROW_NUMBER} < ${from + rows}`;
      const found = await fails(name, `${parquetRows(path, true)} WHERE ${within}`);
      if (found) return damaged(name, rowGroup);
      from += rows;
    }
    return damaged(name);
  }
  return undefined;
}

function damaged(column: string, rowGroup?: number): Error {
  const where = rowGroup === undefined ? '' : ` in row group ${rowGroup}`;
  const message = `column ${column} is damaged${where}: its values cannot be decoded; ${AGAIN}`;
  const details = { column, ...(rowGroup === undefined ? {} : { rowGroup }) };
  return ingestError('page-damaged', message, { details });
}
