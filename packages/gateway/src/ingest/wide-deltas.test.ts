// SPDX-License-Identifier: Apache-2.0
// No page is written that only the engine reads: where integers of 32 bits lie farther apart than
// 32 bits count, they are written without deltas, and with them everywhere else.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Desk } from '../../testing/ingest.ts';
import { compareParquet } from './compare/compare-parquet.ts';
import { convertToParquet } from './convert.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** Whether what is made of `sql` has deltas; that it has the same values is checked. */
async function deltas(sql: string, rowGroupSize?: number): Promise<boolean> {
  const source = await desk.parquet(sql);
  const parquet = join(source, '..', 'made.parquet');
  const size = rowGroupSize === undefined ? {} : { rowGroupSize };
  const { columns, rows } = await convertToParquet(source, parquet, size);
  await compareParquet({ source, parquet, columns });
  expect(await readdir(join(source, '..'))).toEqual(['made.parquet', 't.parquet']);
  expect(await desk.query(`SELECT count(*) FROM '${parquet}'`)).toEqual([[`${rows}`]]);
  const meta = await desk.query(
    `SELECT encodings, compression FROM parquet_metadata('${parquet}')`,
  );
  expect(meta.every((chunk) => (chunk as string[])[1] === 'ZSTD')).toBe(true);
  return JSON.stringify(meta).includes('DELTA_BINARY_PACKED');
}

it.each([
  ['integers', 'unnest([-2147483648, 2147483647, NULL, 0])::INTEGER'],
  ['integers that 32 bits are just too few for', 'unnest([-1073741824, 1073741824])::INTEGER'],
  ['unsigned ones', 'unnest([4294967295, 0, 4294967295])::UINTEGER'],
  ['unsigned ones past the greatest signed one', 'unnest([3000000000, 3000000001])::UINTEGER'],
  ['endless days', "unnest(['infinity', '-infinity'])::DATE"],
  ['days', "unnest(['5000000-01-01', '2024-01-01', '4700000-01-01 (BC)'])::DATE"],
])('%s that lie far apart are written without deltas', async (_, values) => {
  expect(await deltas(`SELECT ${values} AS x`)).toBe(false);
});

it.each([
  ['integers', 'unnest([-1073741824, 1073741823, NULL])::INTEGER'],
  ['unsigned ones', 'unnest([2147483647, 0, 1])::UINTEGER'],
  ['days', "unnest(['0001-01-01', '9999-12-31'])::DATE"],
  [
    'integers of 64 bits, whose deltas have as many',
    `unnest([${-(2n ** 63n)}, ${2n ** 63n - 1n}])`,
  ],
  ['none at all, beside some', 'NULL::INTEGER AS n, unnest([1, 2])::INTEGER'],
])('%s that lie near each other keep them', async (_, values) => {
  expect(await deltas(`SELECT ${values} AS x`)).toBe(true);
});

it('one row group that has them far apart is enough, and rows keep their order', async () => {
  const last = 'CASE range WHEN 4999 THEN 2147483647 WHEN 4998 THEN -9 ELSE range END::INTEGER';
  const sql = `SELECT ${last} AS x, range / 7 AS y, 'text ' || range AS z FROM range(5000)`;
  expect(await deltas(sql, 2_048)).toBe(false);
});
