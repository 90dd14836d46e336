// SPDX-License-Identifier: Apache-2.0
// A file that is not the same each time it is read is told as that, not as a value that changed.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Desk } from '../../../testing/ingest.ts';
import { compare } from './compare.ts';
import { formsOf } from './value-form.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

it('a file that changes while it is compared is told as that', async () => {
  const parquet = await desk.parquet('SELECT range::BIGINT AS x FROM range(3)');
  const columns = [{ name: 'x', type: 'BIGINT', forms: formsOf('BIGINT') }];
  const readings = [
    [0, 7, 2],
    [0, 1, 2],
  ];
  const read = async (hear: (column: number, form: number) => void) => {
    for (const value of readings.shift() ?? []) hear(0, value);
  };
  await expect(compare(read, parquet, columns)).rejects.toMatchObject({ code: 'input-changed' });
  expect(readings).toEqual([]);
});
