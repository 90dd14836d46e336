// SPDX-License-Identifier: Apache-2.0
// Row groups are as large as ever where little is in a row, and smaller where there is much: files
// of many columns, or of long texts, go through in the memory that there is.
import { DATASET_COLUMNS_MAX } from '@cloister/contract';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Desk } from '../../testing/ingest.ts';
import { convertToParquet } from './convert.ts';
import { rowGroupsFor } from './row-groups.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

const of = (columns: number, rowBytes: number) =>
  rowGroupsFor({
    columns: Array.from({ length: columns }, (_, i) => ({ name: `c${i}`, type: 'X', nulls: 0 })),
    rows: 1_000_000,
    bytes: rowBytes * 1_000_000,
  });

it.each([
  ['few columns', 4, 40, 491_520],
  ['forty columns', 34, 300, 122_880],
  ['a hundred columns', 100, 800, 41_943],
  ['the most columns', DATASET_COLUMNS_MAX, 9_000, 3_226],
  ['long texts', 4, 4_096, 49_152],
  ['the longest texts', 4, 60_000_000, 2_048],
])('%s', (_, columns, rowBytes, rows) => {
  expect(of(columns, rowBytes).rows).toBe(rows);
});

it('the most columns of text are written', async () => {
  const names = Array.from({ length: DATASET_COLUMNS_MAX }, (_, i) => `c${i}`);
  const text = `${names}\n${`${names.map((name) => `a text of ${name}`)}\n`.repeat(20)}`;
  const path = await desk.given('t.csv', text);
  const made = await convertToParquet(path, `${await desk.folder()}/out.parquet`);
  expect(made).toMatchObject({ rows: 20 });
  expect(made.columns).toHaveLength(DATASET_COLUMNS_MAX);
});
