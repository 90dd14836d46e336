// SPDX-License-Identifier: Apache-2.0
// Columns that are compared by pairs leave the same trace from a file as from the engine, for the
// greatest and the least of each type too; one other value leaves another.
import { open } from 'node:fs/promises';
import { fileSource, readSchema } from '@cloister/parquet-crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk } from '../../../testing/ingest.ts';
import { identifier, parquetRows, withDuck } from '../duck.ts';
import { columnsOfLeaves } from '../parquet-columns.ts';
import { ColumnTrace } from './column-trace.ts';
import { askForPairs, EnginePairs } from './engine-pairs.ts';
import { traceOfPages } from './page-pairs.ts';
import { pairFormOf } from './pair-form.ts';
import { StoredParquet } from './parquet-values.ts';
import { addStored } from './stored-pairs.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** More than two batches of the engine's and of ours. */
const ROWS = 20_000;
const VALUES: Readonly<Record<string, readonly string[]>> = {
  BOOLEAN: ['false', 'true'],
  TINYINT: ['-128', '127'],
  SMALLINT: ['-32768', '32767'],
  INTEGER: ['-2147483648', '2147483647'],
  BIGINT: ['-9223372036854775808', '9223372036854775807', '9007199254740993', '-1'],
  UTINYINT: ['255', '0'],
  USMALLINT: ['65535', '0'],
  UINTEGER: ['4294967295', '0'],
  FLOAT: ['-0', '3.4028235e+38', 'inf'],
  DOUBLE: ['-inf', '-0', '5e-324'],
  VARCHAR: ['', '💡', 'eight by', 'more than eight'],
  BLOB: ['', '\\x00\\xFF'],
  DATE: ['0001-01-01', '1969-12-31', '9999-12-31', 'infinity'],
  TIMESTAMP: ['0001-01-01 00:00:00.000001', '1969-12-31 23:59:59.9', '290000-12-31 23:59:59'],
  TIMESTAMPTZ: ['1969-12-31 23:59:59.9+00', '9999-12-31 23:59:59+00'],
  'DECIMAL(4,2)': ['-99.99', '0.01'],
  'DECIMAL(15,3)': ['-999999999999.999', '0.001', '1.005'],
};

const literals = (type: string) => [...(VALUES[type] ?? []).map((one) => `'${one}'`), 'NULL'];

/** What stands in a row, as rows go through all values and none. */
function inRow(type: string, row: number): string | undefined {
  const all = literals(type);
  return all[row % all.length];
}

/** A file's rows, with `odd` in row 17,000. */
function rowsOf(type: string, odd = inRow(type, 17_000)): string {
  const all = literals(type);
  const value = `CASE WHEN i = 17000 THEN ${odd} ELSE [${all}][1 + i % ${all.length}] END`;
  return `SELECT CAST(${value} AS ${type}) AS x FROM range(${ROWS}) t(i)`;
}

/** By our own reading of pages, and by the other reader. */
async function sourceTraces(path: string): Promise<readonly [ColumnTrace, ColumnTrace]> {
  const file = await open(path, 'r');
  try {
    const bytes = await fileSource(file);
    const { columns: leaves } = await readSchema(bytes);
    const [column] = columnsOfLeaves(leaves);
    const leaf = leaves[0] as (typeof leaves)[number];
    const pairs = pairFormOf(leaf, column?.type ?? '');
    if (pairs === undefined) throw new Error('a column of this type was to have pairs');
    const quick = await traceOfPages(bytes, { leaf, pairs }, () => undefined);
    if (quick === undefined) throw new Error('pages of this type were to be read');
    const trace = new ColumnTrace();
    const stored = await StoredParquet.open(bytes);
    for await (const values of stored.column('x')) addStored(pairs, values, trace);
    trace.end();
    return [quick, trace];
  } finally {
    await file.close();
  }
}

function engineTrace(path: string, type: string): Promise<ColumnTrace> {
  const sql = `SELECT ${askForPairs(type, identifier('x'))} FROM ${parquetRows(path)}`;
  return withDuck([path], async (duck) => {
    const [trace, pairs] = [new ColumnTrace(), new EnginePairs()];
    for await (const chunk of duck.stream(sql, 'conversion-failed', 'unread')) {
      trace.addPairs(
        pairs.of(chunk.getColumnVector(0), chunk.rowCount),
        pairs.kinds,
        chunk.rowCount,
      );
    }
    trace.end();
    return trace;
  });
}

describe('pairs of what a file stores', () => {
  it.each(Object.keys(VALUES))('of %s are those of the engine', async (type) => {
    const path = await desk.parquet(rowsOf(type));
    const engineType = type === 'TIMESTAMPTZ' ? 'TIMESTAMP WITH TIME ZONE' : type;
    const engine = await engineTrace(path, engineType);
    const traces = await sourceTraces(path);
    expect([engine, ...traces].map(({ rows }) => rows)).toEqual([ROWS, ROWS, ROWS]);
    expect(traces.map((trace) => trace.firstOther(engine))).toEqual([undefined, undefined]);
    for (const odd of literals(type).filter((one) => one !== inRow(type, 17_000))) {
      const others = await sourceTraces(await desk.parquet(rowsOf(type, odd)));
      expect(others.map((trace) => trace.firstOther(engine))).toEqual([0, 0]);
    }
  });
});
