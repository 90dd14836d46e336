// SPDX-License-Identifier: Apache-2.0
// A Parquet file as input: plain, with scalar columns, every page readable. What its columns are
// our own reader says, from the footer; the engine has to see the same. Every page is checked and
// decoded while it is looked at (parquet-pages.ts): damage shows before anything is written.
import { open } from 'node:fs/promises';
import { isCoded } from '@cloister/core';
import {
  fileSource,
  inspectParquet,
  type InspectedColumn as Leaf,
  type RandomAccess,
} from '@cloister/parquet-crypto';
import { StoredParquet } from './compare/parquet-values.ts';
import { parquetEncrypted } from './detect.ts';
import { type Duck, identifier, parquetRows, withDuck } from './duck.ts';
import { ingestError } from './errors.ts';
import type { InspectedColumn, Inspection } from './inspection.ts';
import { columnsOfLeaves, type ParquetColumn } from './parquet-columns.ts';
import { checkAllPages, decodeAll, refuseCodecs } from './parquet-pages.ts';
import type { ColumnRemark } from './remarks.ts';
import { checkColumnName, refuseTooMany } from './rows.ts';
import { mayFailUnsaid, refuseMisfits } from './stored-misfits.ts';

const malformed = 'the Parquet file cannot be read: its footer or pages are damaged';

/** Values for each sample: many may be alike. */
const LOOKED_AT = 20;

/**
 * @throws CodedError `parquet-*`, `page-damaged`, `column-*`, `value-not-of-type`,
 * `too-many-columns`, `input-no-rows`, `input-unreadable`
 */
export async function inspectParquetInput(
  path: string,
  bytes: number,
  samples: number,
): Promise<Inspection> {
  const leaves = await leavesOf(path);
  refuseTooMany(leaves.length);
  const seen = new Map<string, number>();
  for (const { parts } of leaves) {
    if (parts.length === 1) checkColumnName(seen, parts[0] ?? '');
  }
  const leafColumns = columnsOfLeaves(leaves);
  for (const leaf of leaves) refuseCodecs(leaf);
  const { rowGroups } = await withFile(path, checkAllPages);
  return withDuck([path], async (duck) => {
    const source = parquetRows(path);
    await compareWithEngine(duck, source, leafColumns);
    const decoding = decodeAll(duck, { path, columns: leafColumns, rowGroups });
    const { rows, nulls } = await decoding.catch(async (error: unknown) => {
      const column = isCoded(error, 'page-damaged') ? error.details['column'] : undefined;
      const failed = leaves.filter(({ parts }) => parts[0] === column);
      await checkStored(path, failed).catch((other: unknown) => {
        // What the second reader cannot read either is damaged, as the first one says.
        if (!isCoded(other, 'parquet-malformed')) throw other;
      });
      throw error;
    });
    for (const leaf of leaves) {
      if (await withFile(path, (file) => mayFailUnsaid(file, leaf)))
        await checkStored(path, [leaf]);
    }
    if (rows === 0) throw ingestError('input-no-rows', 'the file holds no row of data');
    const columns: InspectedColumn[] = [];
    for (const [i, { name, type }] of leafColumns.entries()) {
      const column = { name, type, nulls: nulls[i] as number };
      if (samples === 0) columns.push(column);
      else columns.push({ ...column, samples: await samplesOf(duck, source, name, samples) });
    }
    const empty = columns
      .filter((column) => column.nulls === rows)
      .map(({ name }): ColumnRemark => {
        const says = `column ${name} holds no value at all`;
        return { kind: 'no-value', column: name, says, inexact: false, untilChosen: true };
      });
    const remarks = [...empty, ...(await cutRemarks(path, leafColumns))];
    const plainBytes = leaves.reduce((sum, { sizes }) => sum + (sizes?.uncompressedBytes ?? 0), 0);
    const found = { bytes, plainBytes, rows, columns, remarks };
    return { format: 'parquet' as const, ...found };
  });
}

/** @throws CodedError `value-not-of-type` */
async function checkStored(path: string, leaves: readonly Leaf[]): Promise<void> {
  for (const leaf of leaves) await withFile(path, (file) => refuseMisfits(file, leaf));
}

/** Where nanoseconds are cut to microseconds, and in how many rows that changes the value. */
async function cutRemarks(
  path: string,
  columns: readonly ParquetColumn[],
): Promise<ColumnRemark[]> {
  const remarks: ColumnRemark[] = [];
  for (const { name } of columns.filter(({ cut }) => cut !== undefined)) {
    const rows = await withFile(path, (file) => finerThanMicroseconds(file, name));
    if (rows === 0) continue;
    const says =
      `column ${name} counts nanoseconds, and microseconds are kept: ` +
      `in ${rows === 1 ? '1 row' : `${rows} rows`} something is cut`;
    const kind = 'nanoseconds-cut';
    remarks.push({ kind, column: name, says, inexact: true, untilChosen: false });
  }
  return remarks;
}

async function finerThanMicroseconds(file: RandomAccess, name: string): Promise<number> {
  const stored = await StoredParquet.open(file);
  let rows = 0;
  for await (const values of stored.column(name)) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (typeof value === 'bigint' && value % 1_000n !== 0n) rows += 1;
    }
  }
  return rows;
}

async function withFile<T>(path: string, task: (file: RandomAccess) => Promise<T>): Promise<T> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'cannot open the file', { cause });
  });
  try {
    return await task(await fileSource(file));
  } finally {
    await file.close();
  }
}

/** Names and types as the engine has them; anything else would be other values in silence. */
async function compareWithEngine(
  duck: Duck,
  source: string,
  columns: readonly ParquetColumn[],
): Promise<void> {
  const sql = `DESCRIBE SELECT * FROM ${source}`;
  const described = await duck.query(sql, 'parquet-malformed', malformed);
  for (let i = 0; i < Math.max(columns.length, described.length); i++) {
    const [name, type] = described[i] ?? [];
    const wanted = columns[i];
    const known = type !== undefined && (wanted?.read === type || wanted?.orRead === type);
    if (wanted?.name === name && known) continue;
    const message =
      `column ${wanted?.name ?? name} is ${wanted?.read ?? 'none'} by its footer and ` +
      `${String(type).slice(0, 60)} to the engine: convert it before`;
    throw ingestError('column-type-unsupported', message);
  }
}

async function samplesOf(
  duck: Duck,
  source: string,
  name: string,
  samples: number,
): Promise<string[]> {
  const column = identifier(name);
  const texts = `SELECT CAST(${column} AS VARCHAR) FROM ${source}`;
  const first = `${texts} WHERE ${column} IS NOT NULL LIMIT ${LOOKED_AT * Math.trunc(samples)}`;
  const values = await duck.query(first, 'parquet-malformed', malformed);
  const different = new Set(values.map(([value]) => String(value)));
  return [...different].slice(0, Math.trunc(samples));
}

/** Our own strict reading of the footer comes first: it bounds what the engine is given. */
async function leavesOf(path: string): Promise<readonly Leaf[]> {
  return withFile(path, async (file) => {
    try {
      const { mode, columns } = await inspectParquet(file);
      if (mode !== 'clear') throw parquetEncrypted();
      return columns;
    } catch (error) {
      if (isCoded(error, 'parquet-encrypted')) throw error;
      const why = isCoded(error) ? `: ${error.message}` : '';
      throw ingestError('parquet-malformed', `the Parquet file cannot be read${why}`);
    }
  });
}
