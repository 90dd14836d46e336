// SPDX-License-Identifier: Apache-2.0
// What was made of a Parquet file is compared with the file as another reader has it: every type,
// every row, in files of several writers; what the engine changes in silence is found.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, Desk } from '../../../testing/ingest.ts';
import { convertToParquet } from '../convert.ts';
import { BLOCK_ROWS } from './column-trace.ts';
import { compareParquet } from './compare-parquet.ts';

const vectors = new URL('../../../../../../shared/vectors/parquet-testing/', import.meta.url);
const hasShared = existsSync(vectors);

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

async function added(source: string, types: Record<string, string> = {}): Promise<void> {
  const parquet = join(await desk.folder(), 'made.parquet');
  const { columns } = await convertToParquet(source, parquet, { types });
  await compareParquet({ source, parquet, columns });
}

/** By type, texts of values: the least, the greatest, and what is easily mistaken. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  BOOLEAN: ['false', 'true'],
  TINYINT: ['-128', '127'],
  SMALLINT: ['-32768', '32767'],
  INTEGER: ['-2147483648', '2147483647'],
  BIGINT: ['-9223372036854775808', '9223372036854775807'],
  UTINYINT: ['255'],
  USMALLINT: ['65535'],
  UINTEGER: ['4294967295'],
  UBIGINT: ['18446744073709551615', '9223372036854775808'],
  FLOAT: ['nan', '-0', '3.4028235e+38'],
  DOUBLE: ['nan', 'inf', '-0', '5e-324'],
  VARCHAR: ['', '💡'],
  BLOB: ['', '\\x00\\xFF'],
  UUID: ['ffffffff-ffff-4fff-8fff-ffffffffffff'],
  DATE: ['0001-01-01', '1969-12-31', '9999-12-31', 'infinity', '-infinity'],
  TIME: ['00:00:00', '23:59:59.999999'],
  TIME_NS: ['23:59:59.999999999'],
  TIMETZ: ['23:59:59.5+00'],
  'TIMESTAMP without end': ['infinity', '-infinity'],
  'TIMESTAMPTZ without end': ['infinity', '-infinity'],
  'TIMESTAMP_NS without end': ['infinity', '-infinity'],
  TIMESTAMP: ['0001-01-01 00:00:00.000001', '1969-12-31 23:59:59.9', '9999-12-31 23:59:59'],
  TIMESTAMP_MS: ['1969-12-31 23:59:59.999'],
  TIMESTAMP_NS: ['1969-12-31 23:59:59.999999999', '2262-04-11 23:47:16.854775806'],
  TIMESTAMPTZ: ['1969-12-31 23:59:59.9+00', '9999-12-31 23:59:59+00'],
  JSON: ['{"a": [1, null]}'],
  'DECIMAL(4,2)': ['-99.99', '0.01'],
  'DECIMAL(9,3)': ['-999999.999', '0.001'],
  'DECIMAL(18,6)': ['-999999999999.999999'],
  'DECIMAL(38,9)': [`-${'9'.repeat(29)}.${'9'.repeat(9)}`, '0.000000001'],
};

it.each(Object.entries(VALUES))('%s is what it was', async (type, texts) => {
  const rows = [...texts.map((text) => `'${text}'`), 'NULL'];
  await added(
    await desk.parquet(
      `SELECT CAST(unnest([${rows.join(', ')}]) AS ${type.replace(' without end', '')}) AS x`,
    ),
  );
});

it('a column that gets another type is compared in its own', async () => {
  const sql = "SELECT 2.0::DOUBLE AS x, DATE '2024-01-01' AS day, 7::UBIGINT AS n";
  await added(await desk.parquet(sql), { x: 'BIGINT', day: 'VARCHAR', n: 'DECIMAL(20,0)' });
});

it('bytes as text are the text that they are in UTF-8', async () => {
  const texts = ['é', '\\xC3', 'a\u0000b', '', '\ufeff💡'];
  const bytes = texts.map((text) => `unhex('${Buffer.from(text).toString('hex')}')`);
  const source = await desk.parquet(`SELECT unnest([${bytes.join(', ')}, NULL]) AS x`);
  const parquet = join(await desk.folder(), 'made.parquet');
  const { columns } = await convertToParquet(source, parquet, { types: { x: 'VARCHAR' } });
  await compareParquet({ source, parquet, columns });
  const made = await desk.query(`SELECT hex(x) FROM '${parquet}'`);
  const hex = texts.map((text) => Buffer.from(text).toString('hex').toUpperCase());
  expect(made).toEqual([...hex, null].map((text) => [text]));
  const other = await desk.parquet(`SELECT replace(x, 'é', 'e') AS x FROM '${parquet}'`);
  await expect(compareParquet({ source, parquet: other, columns })).rejects.toMatchObject({
    code: 'value-changed',
    details: { column: 'x', row: 1 },
  });
});

it('bytes that are no UTF-8 are no text, and are counted', async () => {
  const source = await desk.parquet("SELECT unnest(['a', '\\xC3', NULL, '\\xFF']::BLOB[]) AS x");
  await expect(added(source, { x: 'VARCHAR' })).rejects.toMatchObject({
    code: 'value-not-of-type',
    message: expect.stringMatching(/^column x .* VARCHAR: 2 of its values .* first in row 2$/),
    details: { column: 'x', misfits: 2 },
  });
});

it('a value that changed is found in whichever row group it is', async () => {
  const rows = 2 * BLOCK_ROWS;
  const whole = `SELECT range AS n, 't' || range AS t FROM range(${rows})`;
  const source = await desk.parquet(whole);
  const columns = [
    { name: 'n', type: 'BIGINT' },
    { name: 't', type: 'VARCHAR' },
  ];
  const bend = `CASE n WHEN ${rows - 2} THEN 't' ELSE t END AS t`;
  const parquet = await desk.parquet(`SELECT n, ${bend} FROM (${whole})`);
  await expect(compareParquet({ source, parquet, columns })).rejects.toMatchObject({
    code: 'value-changed',
    details: { column: 't', row: rows - 1 },
  });
});

describe.skipIf(!hasShared)('files of other writers [skip: shared]', () => {
  /** Not every one can become a dataset; for those that cannot the code says why. */
  const OTHERWISE: Readonly<Record<string, string>> = {
    'column_chunk_key_value_metadata.parquet': 'input-no-rows',
    // A time has nanoseconds below 0, which the engine takes for many.
    'int96_from_spark.parquet': 'value-not-of-type',
    'nation.dict-malformed.parquet': 'page-damaged',
    'datapage_v1-corrupt-checksum.parquet': 'page-damaged',
    'rle-dict-uncompressed-corrupt-checksum.parquet': 'page-damaged',
  };
  const REFUSED = /^(column-type-unsupported|parquet-encoding-unsupported)$/;

  it('come through as they were, or are refused by a code', async () => {
    const data = new URL('data/', vectors).pathname;
    const files = (await readdir(data)).filter((name) => name.endsWith('.parquet'));
    expect(files.length).toBeGreaterThan(50);
    const taken: string[] = [];
    for (const file of files) {
      const code = await codeOf(added(join(data, file)));
      if (code === 'accepted') taken.push(file);
      else expect(OTHERWISE[file] ?? code, file).toMatch(OTHERWISE[file] ?? REFUSED);
      if (OTHERWISE[file] !== undefined) expect(code, file).toBe(OTHERWISE[file]);
    }
    expect(taken.length).toBeGreaterThan(35);
  });

  it('that are damaged end no process', async () => {
    const data = new URL('bad_data/', vectors).pathname;
    for (const file of await readdir(data)) {
      if (!file.endsWith('.parquet')) continue;
      expect(await codeOf(added(join(data, file))), file).not.toMatch(/not coded/);
    }
  });
});
