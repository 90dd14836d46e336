// SPDX-License-Identifier: Apache-2.0
// A Parquet file as input: plain, with scalar columns, every page readable. The whole file is
// decoded once while it is looked at, so that damage shows before anything is written.
import { open } from 'node:fs/promises';
import { isCoded } from '@cloister/core';
import { fileSource, inspectParquet } from '@cloister/parquet-crypto';
import { canBring } from './column-types.ts';
import { parquetEncrypted } from './detect.ts';
import { identifier, literal, withDuck } from './duck.ts';
import { ingestError } from './errors.ts';
import type { InspectedColumn, Inspection } from './inspection.ts';
import { checkColumnName } from './rows.ts';

const malformed = 'the Parquet file cannot be read: its footer or pages are damaged';

/** @throws CodedError `parquet-*`, `column-*`, `input-no-rows`, `input-unreadable` */
export async function inspectParquetInput(
  path: string,
  bytes: number,
  samples: number,
): Promise<Inspection> {
  await checkFooter(path);
  return withDuck([path], async (duck) => {
    const source = `read_parquet([${literal(path)}])`;
    const described = await duck.query(
      `DESCRIBE SELECT * FROM ${source}`,
      'parquet-malformed',
      malformed,
    );
    const seen = new Map<string, number>();
    const types = described.map(([name, type]) => ({ name: String(name), type: String(type) }));
    for (const { name, type } of types) {
      checkColumnName(seen, name);
      if (!canBring(type)) {
        const message = `column ${name} has the type ${type.slice(0, 60)}: flatten it first`;
        throw ingestError('column-type-unsupported', message);
      }
    }
    // max() makes the engine decode every value, so that damaged pages are found now.
    const sums = types.map(({ name }) => `count(*) - count(${identifier(name)})`);
    const reads = types.map(({ name }) => `max(${identifier(name)}) IS NULL`);
    const sql = `SELECT count(*), ${[...sums, ...reads].join(', ')} FROM ${source}`;
    const [row] = await duck.query(sql, 'parquet-malformed', malformed);
    const rows = Number(row?.[0] ?? 0);
    if (rows === 0) throw ingestError('input-no-rows', 'the file holds no row of data');
    const columns: InspectedColumn[] = [];
    for (const [i, { name, type }] of types.entries()) {
      const nulls = Number(row?.[i + 1]);
      if (samples === 0) columns.push({ name, type, nulls });
      else {
        const column = identifier(name);
        const texts = `SELECT CAST(${column} AS VARCHAR) FROM ${source}`;
        const shown = `${texts} WHERE ${column} IS NOT NULL LIMIT ${Math.trunc(samples)}`;
        const values = await duck.query(shown, 'parquet-malformed', malformed);
        columns.push({ name, type, nulls, samples: values.map(([value]) => String(value)) });
      }
    }
    const warnings = columns
      .filter((column) => column.nulls === rows)
      .map((column) => `column ${column.name} holds no value at all`);
    return { format: 'parquet' as const, bytes, rows, columns, warnings };
  });
}

/** Our own strict reading of the footer comes first: it bounds what the engine is given. */
async function checkFooter(path: string): Promise<void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'cannot open the file', { cause });
  });
  try {
    const { mode } = await inspectParquet(await fileSource(file));
    if (mode !== 'clear') throw parquetEncrypted();
  } catch (error) {
    if (isCoded(error, 'parquet-encrypted')) throw error;
    const why = isCoded(error) ? `: ${error.message}` : '';
    throw ingestError('parquet-malformed', `the Parquet file cannot be read${why}`);
  } finally {
    await file.close();
  }
}
