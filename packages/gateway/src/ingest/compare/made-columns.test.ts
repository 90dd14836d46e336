// SPDX-License-Identifier: Apache-2.0
// What was made is not trusted: other columns than were wanted are refused before a value is read,
// and values that are none of their type end no process.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COLUMN, ELEMENT, PAGE } from '../../../../parquet-crypto/src/format.ts';
import { i32 } from '../../../../parquet-crypto/src/thrift/struct.ts';
import { mintParquet } from '../../../../parquet-crypto/testing/mint.ts';
import { Desk } from '../../../testing/ingest.ts';
import { PLAIN } from '../dialect/dialect.ts';
import { compareParquet } from './compare-parquet.ts';
import { compareText } from './compare-text.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

describe('columns of what was made', () => {
  const columns = [
    { name: 'a', type: 'BIGINT' },
    { name: 't', type: 'VARCHAR' },
    { name: 's', type: 'TIMESTAMP_S' },
  ];
  const AT = "TIMESTAMP '2024-01-01'";

  async function compared(made: string): Promise<void> {
    const parquet = await desk.parquet(`SELECT ${made}`);
    const csv = await desk.given('t.csv', 'a,t,s\n1,x,2024-01-01\n');
    const reading = { ...PLAIN, format: 'csv' as const, dateFormats: [] };
    const wanted = `1::BIGINT AS a, 'x' AS t, ${AT} AS s`;
    const source = await desk.parquet(`SELECT ${wanted}`);
    await compareText({ source: csv, parquet, columns, reading });
    await compareParquet({ source, parquet, columns });
  }

  it('are those that were wanted', async () => {
    await compared(`1::BIGINT AS a, 'x' AS t, ${AT}::TIMESTAMP_S AS s`);
  });

  it.each([
    [
      'one more',
      `1::BIGINT AS a, 'x' AS t, ${AT} AS s, 2 AS b`,
      'column 4 .* b INTEGER, and not none',
    ],
    ['one less', "1::BIGINT AS a, 'x' AS t", 'column 3 .* missing, and not s TIMESTAMP_S'],
    [
      'another type',
      `1::INTEGER AS a, 'x' AS t, ${AT} AS s`,
      'column 1 .* a INTEGER, and not a BIGINT',
    ],
    [
      'another name',
      `1::BIGINT AS a, 'x' AS "T", ${AT} AS s`,
      'column 2 .* T VARCHAR, and not t VARCHAR',
    ],
    [
      'another order',
      `'x' AS t, 1::BIGINT AS a, ${AT} AS s`,
      'column 1 .* t VARCHAR, and not a BIGINT',
    ],
  ])('%s: refused', async (_, made, says) => {
    await expect(compared(made)).rejects.toMatchObject({
      code: 'conversion-failed',
      message: expect.stringMatching(says),
    });
  });
});

it.each([2n ** 56n, 2n ** 62n, -1n])(
  'a time of day of %d microseconds ends no process',
  async (units) => {
    const body = new Uint8Array(8);
    new DataView(body.buffer).setBigInt64(0, units, true);
    const element = { [ELEMENT.type]: i32(2), [ELEMENT.convertedType]: i32(8) };
    const metadata = { [COLUMN.type]: i32(2) };
    const made = mintParquet({
      body,
      element,
      metadata,
      page: { [PAGE.uncompressedSize]: i32(8) },
    });
    const parquet = await desk.given('made.parquet', made);
    const columns = [{ name: 'c0', type: 'TIME' }];
    const changed = { code: 'value-changed', details: { column: 'c0', row: 1 } };
    const source = await desk.parquet(`SELECT TIME '12:30:00' AS c0`);
    await expect(compareParquet({ source, parquet, columns })).rejects.toMatchObject(changed);
    const reading = { ...PLAIN, format: 'csv' as const, dateFormats: [] };
    const csv = await desk.given('t.csv', 'c0\n12:30:00\n');
    const compared = compareText({ source: csv, parquet, columns, reading });
    await expect(compared).rejects.toMatchObject(changed);
  },
);
