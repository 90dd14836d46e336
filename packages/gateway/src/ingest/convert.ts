// SPDX-License-Identifier: Apache-2.0
// CSV, JSON lines or Parquet into one plain Parquet file with the types that were shown, or with
// those the owner chose instead. The engine reads the file itself where it can (engine-text.ts says
// how) and is told its dialect. The output appears whole under its name or not at all; the private
// folder beside it is always removed.
import { existsSync } from 'node:fs';
import { mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isCoded, meant } from '@cloister/core';
import { CHOICES, canChoose, typeNamed } from './column-types.ts';
import type { ColumnTrace } from './compare/column-trace.ts';
import { type Duck, identifier, literal, parquetRows, withDuck } from './duck.ts';
import { engineCast, engineValue } from './engine-form.ts';
import {
  asItIs,
  type EngineRows,
  type EngineText,
  inRows,
  readObjects,
  readText,
} from './engine-text.ts';
import { ingestError } from './errors.ts';
import { type InspectOptions, inspectInput } from './inspect.ts';
import type { Inspection } from './inspection.ts';
import { metNegativeZero, untilNegativeZero } from './negative-zeros.ts';
import { rowGroupsFor } from './row-groups.ts';
import type { RowOptions } from './rows.ts';
import { mayHaveWideDeltas } from './wide-deltas.ts';

export interface ConvertOptions extends InspectOptions {
  /** What looking at it has answered already; the file is read once less. */
  readonly inspection?: Inspection;
  /** Column types instead of the inferred ones, by column name. */
  readonly types?: Readonly<Record<string, string>>;
  /** Rows in a row group; unless told, what columns and rows allow (row-groups.ts). */
  readonly rowGroupSize?: number;
  readonly compression?: 'zstd' | 'snappy' | 'uncompressed';
}

export interface Converted {
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** How the text was read; absent for Parquet. */
  readonly reading?: TextReading;
  /** By column, what its values left when they were looked at, where that can be compared. */
  readonly traces?: readonly (ColumnTrace | undefined)[];
}

/** How a text was read, and by column, which form of --date-format its values have. */
export interface TextReading extends RowOptions {
  readonly dateFormats: readonly (string | undefined)[];
}

const INSTANT = 'TIMESTAMP WITH TIME ZONE';

/**
 * Inspects `path` and writes it to `out`, which must not exist.
 * @throws CodedError of `IngestErrorCode`
 */
export async function convertToParquet(
  path: string,
  out: string,
  options: ConvertOptions = {},
): Promise<Converted> {
  const target = resolve(out);
  if (existsSync(target)) {
    const message = 'the output exists already: choose another name';
    throw ingestError('output-exists', message);
  }
  const before = await fingerprint(path);
  const inspection = options.inspection ?? (await inspectInput(path, options));
  const columns = chooseTypes(inspection, options.types ?? {});
  const folder = await mkdtemp(join(dirname(target), '.ingest-')).catch((cause: unknown) => {
    const message = 'cannot write beside the output';
    throw ingestError('conversion-failed', message, { cause });
  });
  try {
    const parquet = join(folder, 'out.parquet');
    const job = { parquet, inspection, columns, options };
    const failed = await convert(resolve(path), folder, job).then(
      () => undefined,
      (error: unknown) => error,
    );
    // A file that changed while it was read is told as that, whatever else it led to.
    if ((await fingerprint(path)) !== before) throw changed();
    if (failed !== undefined) throw failed;
    await sync(parquet);
    await rename(parquet, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const reading = readingOf(inspection);
  const traces = columns.map(({ type }, i) => inspection.traces?.[i]?.(type));
  const text = reading === undefined ? {} : { reading, traces };
  return { rows: inspection.rows, columns, ...text };
}

const NONE_TYPED: ReadonlySet<string> = new Set();

/** What the engine cannot read of a text itself it is given in rows. */
async function convert(path: string, folder: string, job: Job): Promise<void> {
  const { inspection, columns, parquet } = job;
  if (inspection.reading === undefined) {
    const source = { rows: parquetRows(path), typed: NONE_TYPED };
    await withDuck([path, parquet, again(parquet)], (duck) => copy(duck, source, job));
    return;
  }
  // One thread reads text; beside others it would run ahead of the writing, all in memory.
  const read = (from: readonly string[], source: EngineRows): Promise<void> =>
    withDuck([...from, parquet, again(parquet)], (duck) => copy(duck, source, job), 1);
  const readLines = (text: EngineText): Promise<void> =>
    read(text.paths, { rows: readText(text, columns), typed: NONE_TYPED });
  const objects = readObjects(path, inspection, columns);
  if (objects !== undefined && (await isDone(read([path], objects)))) return;
  const itself = await asItIs(path, folder, inspection);
  if (itself !== undefined && (await isDone(readLines(itself)))) return;
  await rm(parquet, { force: true });
  await readLines(await inRows(path, folder, inspection));
}

/** Whether the engine could read it. */
function isDone(reading: Promise<void>): Promise<boolean> {
  return reading.then(
    () => true,
    (error: unknown) => {
      if (isCoded(error, 'conversion-failed')) return false;
      throw error;
    },
  );
}

function readingOf({ reading, evidence = [] }: Inspection): TextReading | undefined {
  if (reading === undefined) return undefined;
  return { ...reading, dateFormats: evidence.map((types) => types.dateFormat()) };
}

/**
 * The columns of a file, in the types that are wanted instead of its own.
 * @throws CodedError `column-unknown`, `column-type-unknown`, `value-not-of-type`
 */
export function chooseTypes(
  inspection: Inspection,
  wanted: Readonly<Record<string, string>>,
): { name: string; type: string }[] {
  const names = inspection.columns.map(({ name }) => name);
  for (const [name, type] of Object.entries(wanted)) {
    if (!names.includes(name)) {
      throw ingestError('column-unknown', `there is no column ${name}${meant(name, names)}`);
    }
    if (!canChoose(typeNamed(type))) {
      const slip = meant(typeNamed(type), CHOICES);
      const message = `column ${name}: ${type} is not a type that can be chosen${slip}`;
      throw ingestError('column-type-unknown', message);
    }
  }
  return inspection.columns.map(({ name, type }) => {
    const own = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
    const chosen = own === undefined ? type : typeNamed(own);
    if (inspection.reading?.zone === null && type === 'TIMESTAMP' && chosen === INSTANT) {
      const message = `column ${name} has times without an offset: name their zone with --zone`;
      throw ingestError('value-not-of-type', message);
    }
    return { name, type: chosen };
  });
}

async function fingerprint(path: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  return info === undefined ? '' : `${info.size} ${info.mtimeMs} ${info.ino}`;
}

function changed(): Error {
  const message = 'the file changed while it was read: try again when nobody writes to it';
  return ingestError('input-changed', message);
}

interface Job {
  readonly parquet: string;
  readonly inspection: Inspection;
  readonly columns: Converted['columns'];
  readonly options: ConvertOptions;
}

async function copy(duck: Duck, source: EngineRows, job: Job): Promise<void> {
  const { parquet, inspection, columns, options } = job;
  const reading = readingOf(inspection);
  const value = (text: string, i: number, type: string): string => {
    if (reading === undefined) return engineCast(text, inspection.columns[i]?.type ?? '', type);
    // Only texts can be empty.
    const given = type === 'VARCHAR' ? text : `NULLIF(${text}, '')`;
    return engineValue(given, type, { ...reading, dateFormat: reading.dateFormats[i] });
  };
  for (const [i, { name, type }] of columns.entries()) {
    const inferred = inspection.columns[i]?.type ?? '';
    const brought = reading === undefined ? inferred : 'VARCHAR';
    if (type === inferred) continue;
    await checkCast(duck, source.rows, { name, type, brought, value: value('was', i, type) });
  }
  const casts = columns.map(({ name, type }, i) => {
    const column = identifier(name);
    if (source.typed.has(name)) return column;
    return `${value(column, i, type)} AS ${column}`;
  });
  const groups = rowGroupsFor(inspection);
  const settings = [
    'FORMAT parquet',
    `COMPRESSION ${options.compression ?? 'zstd'}`,
    `ROW_GROUP_SIZE ${Math.max(1, Math.trunc(options.rowGroupSize ?? groups.rows))}`,
    `STRING_DICTIONARY_PAGE_SIZE_LIMIT ${groups.dictionaryBytes}`,
  ];
  const write = async (rows: string, to: string, version: 'v1' | 'v2') => {
    const how = [...settings, `PARQUET_VERSION ${version}`].join(', ');
    const sql = `COPY (${rows}) TO ${literal(to)} (${how})`;
    const message = 'the file could not be made Parquet';
    const [row] = await duck.query(sql, 'conversion-failed', message);
    return Number(row?.[0]);
  };
  // Delta and byte stream split encodings, in pages of the first version, which Spark needs:
  // smaller, and read with two thirds of the processor's time.
  const cast = `SELECT ${casts.join(', ')} FROM ${source.rows}`;
  const all = `SELECT ${untilNegativeZero(columns)} FROM (${cast})`;
  const rows = await write(all, parquet, 'v2').catch(async (error: unknown) => {
    if (!metNegativeZero(error)) throw error;
    await rm(parquet, { force: true });
    settings.push('DICTIONARY_SIZE_LIMIT 0');
    return write(cast, parquet, 'v2');
  });
  if (rows !== inspection.rows) {
    if (reading === undefined) throw changed();
    const found = `one reader finds ${inspection.rows} rows in the file, another ${rows}`;
    const how = reading.format === 'csv' ? 'with every field in quotes' : 'with one object a line';
    throw ingestError('value-changed', `${found}: write it ${how}`);
  }
  if (!(await mayHaveWideDeltas(duck, parquet, columns))) return;
  await write(`FROM ${parquetRows(parquet)}`, again(parquet), 'v1');
  await rename(again(parquet), parquet);
}

/** Beside a file, where it is written a second time. */
function again(parquet: string): string {
  return `${parquet}.again`;
}

/**
 * Says which column does not fit its chosen type, how often and where first; never the value. A
 * value that was no text has to come back the same: a cast rounds in silence. Texts are compared
 * when what was sealed is read back.
 */
async function checkCast(
  duck: Duck,
  source: string,
  of: { name: string; type: string; brought: string; value: string },
): Promise<void> {
  const { name, type, brought, value } = of;
  const cast = `TRY(${value})`;
  const back = `TRY(${engineCast(cast, type, brought)}) IS DISTINCT FROM was`;
  const lost = brought === 'VARCHAR' ? `${cast} IS NULL` : `(${cast} IS NULL OR ${back})`;
  const bare = brought === 'VARCHAR' && type !== 'VARCHAR';
  const given = bare ? `NULLIF(${identifier(name)}, '')` : identifier(name);
  const values = `SELECT CAST(${given} AS ${brought}) AS was FROM ${source}`;
  const misfit = `was IS NOT NULL AND ${lost}`;
  const numbered = `SELECT row_number() OVER () AS n, ${misfit} AS misfit FROM (${values})`;
  const sql = `SELECT count(*), min(n) FROM (${numbered}) WHERE misfit`;
  const cannot = `column ${name} cannot be made ${type}`;
  const [row] = await duck.query(sql, 'value-not-of-type', cannot);
  const misfits = Number(row?.[0] ?? 0);
  if (misfits === 0) return;
  const message = `${cannot}: ${misfits} of its values do not fit, the first in row ${row?.[1]}`;
  throw ingestError('value-not-of-type', message, { details: { column: name, misfits } });
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
