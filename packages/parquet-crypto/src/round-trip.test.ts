// SPDX-License-Identifier: Apache-2.0
// Files that DuckDB writes go through encrypt, proof and decrypt; DuckDB and hyparquet read what
// comes out, and answer what they answer of the original.
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AAD_PREFIX, Duck, holding, seal, topColumns, unseal } from '../testing/files.ts';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  decryptProjection,
  descriptorSink,
  fileSink,
  fileSource,
  inspectParquet,
  type Progress,
  readSchema,
} from './index.ts';

const FILES: Record<string, string> = {
  'many row groups': `SELECT i, i % 7 AS k, 'row ' || i AS t FROM range(20000) r(i)`,
  'nulls everywhere': `SELECT CASE WHEN i % 3 = 0 THEN i END AS a, NULL::INTEGER AS b,
     CASE WHEN i % 2 = 0 THEN 'x' || (i % 5) END AS c FROM range(5000) r(i)`,
  nested: `SELECT i, [i, NULL, i + 1] AS l, {'a': i, 'b': [{'c': 't' || i}]} AS s,
     MAP {'k' || i: i} AS m FROM range(3000) r(i)`,
  'decimals, dates, timestamps': `SELECT (i / 7)::DECIMAL(9, 3) AS d9,
     (i * 1.5)::DECIMAL(38, 4) AS d38, DATE '2020-01-01' + i::INTEGER AS d,
     TIMESTAMP '2020-01-01' + INTERVAL (i) SECOND AS ts,
     (TIMESTAMP '2020-01-01' + INTERVAL (i) SECOND)::TIMESTAMPTZ AS tz, TIME '01:02:03' AS t,
     gen_random_uuid() AS u, i::UTINYINT AS u8, i::DOUBLE AS f, i % 2 = 0 AS b, 'x'::BLOB AS bl
     FROM range(200) r(i)`,
  empty: `SELECT 1 AS a, 'x' AS b WHERE false`,
  'dotted names': `SELECT i AS "a.b", i + 1 AS "c", {'d': i} AS "e.f" FROM range(10) r(i)`,
};

let duck: Duck;
beforeAll(async () => {
  duck = await Duck.open();
});
afterAll(() => duck.close());

describe.each(Object.entries(FILES))('%s', (_, sql) => {
  test('comes back as it was, whole and column by column', async () => {
    const plain = await duck.write(sql);
    const tops = await topColumns(plain);
    const sealed = await seal(plain);
    const all = holding(...tops.keys());
    await assertFullyEncrypted(bufferSource(sealed), all, { aadPrefix: AAD_PREFIX });
    expect(await duck.read(await unseal(sealed, tops))).toEqual(await duck.read(plain));
    for (const [i, name] of tops.entries()) {
      const one = await unseal(sealed, [name], holding(i));
      expect(await duck.read(one)).toEqual(await duck.read(plain, `"${name}"`));
      const file = plain.slice().buffer;
      expect(await parquetReadObjects({ file: one.buffer })).toEqual(
        await parquetReadObjects({ file, columns: [name] }),
      );
    }
  });

  test('is listed column by column to one who holds the footer key alone', async () => {
    const sealed = await seal(await duck.write(sql));
    const seen = await inspectParquet(bufferSource(sealed), { keys: holding() });
    expect(seen).toMatchObject({ mode: 'encrypted-footer', authenticated: true });
    for (const column of seen.rowGroups === 0 ? [] : seen.columns) {
      expect(column.key.kind).toBe('master-key');
      expect(column).not.toHaveProperty('sizes');
    }
  });
});

test.each(['snappy', 'zstd', 'gzip', 'brotli', 'lz4_raw', 'uncompressed'])(
  'pages compressed with %s pass through',
  async (codec) => {
    const options = `ROW_GROUP_SIZE 2048, COMPRESSION ${codec}`;
    const plain = await duck.write(`SELECT i, 't' || (i % 9) AS t FROM range(3000) r(i)`, options);
    const back = await unseal(await seal(plain), ['i', 't']);
    expect(await duck.read(back)).toEqual(await duck.read(plain));
  },
);

test('bloom filters survive', async () => {
  const plain = await duck.write(`SELECT 't' || (i % 99) AS t FROM range(5000) r(i)`);
  const sealed = await seal(plain);
  const seen = await inspectParquet(bufferSource(sealed), { keys: holding(0) });
  expect(seen.columns[0]?.sizes?.bloomFilter).toBe(true);
  const back = await unseal(sealed, ['t']);
  const again = await inspectParquet(bufferSource(back));
  expect(again.columns[0]?.sizes?.bloomFilter).toBe(true);
  expect(await duck.read(back, `count(*) FILTER (t = 't3')`)).toEqual([['51']]);
});

test('row groups can be chosen', async () => {
  const plain = await duck.write('SELECT i FROM range(10000) r(i)');
  const sink = new BufferSink();
  const source = bufferSource(await seal(plain));
  const seen: Progress[] = [];
  const onProgress = (progress: Progress) => seen.push(progress);
  const options = { source, sink, keys: holding(0), columns: ['i'], onProgress };
  const report = await decryptProjection({ ...options, rowGroups: [1, 3] });
  expect(seen.map(({ done, of }) => [done, of])).toEqual([
    [1, 2],
    [2, 2],
  ]);
  expect(report).toMatchObject({ rowGroups: 2, rows: 4096, authenticated: true });
  expect(await duck.read(sink.bytes(), 'min(i), max(i), count(*)')).toEqual([
    ['2048', '8191', '4096'],
  ]);
  for (const rowGroups of [[5], [-1], [0.5]]) {
    await expect(decryptProjection({ ...options, rowGroups })).rejects.toMatchObject({
      code: 'row-group-unknown',
    });
  }
  await expect(decryptProjection({ ...options, rowGroups: [1, 1] })).rejects.toMatchObject({
    code: 'options-invalid',
  });
});

test('only the bytes of the columns that are asked for are read', async () => {
  const plain = await duck.write(
    `SELECT i, hash(i) || '-' || hash(i + 1) AS wide FROM range(20000) r(i)`,
  );
  const sealed = await seal(plain);
  const ranges: [number, number][] = [];
  const source = {
    size: sealed.length,
    read: async (offset: number, length: number) => {
      ranges.push([offset, length]);
      return sealed.subarray(offset, offset + length);
    },
  };
  const sink = new BufferSink();
  const options = { source, sink, keys: holding(0), columns: ['i'] };
  const report = await decryptProjection(options);
  const total = ranges.reduce((sum, [, length]) => sum + length, 0);
  expect(report.bytesRead).toBe(total);
  expect(total).toBeLessThan(sealed.length / 3);
});

test('the schema of a plain file', async () => {
  const plain = await duck.write(FILES['decimals, dates, timestamps'] ?? '');
  const { columns, rows } = await readSchema(bufferSource(plain));
  expect(rows).toBe(200);
  expect(Object.fromEntries(columns.map((c) => [c.path, c.logicalType ?? c.physicalType]))).toEqual(
    {
      d9: 'DECIMAL(9,3)',
      d38: 'DECIMAL(38,4)',
      d: 'DATE',
      ts: 'TIMESTAMP(MICROS,LOCAL)',
      tz: 'TIMESTAMP(MICROS,UTC)',
      t: 'TIME(MICROS,LOCAL)',
      u: 'UUID',
      u8: 'UINT_8',
      f: 'DOUBLE',
      b: 'BOOLEAN',
      bl: 'BYTE_ARRAY',
    },
  );
});

test('files and descriptors serve as source and sink', async () => {
  const plain = await duck.write('SELECT i FROM range(5000) r(i)');
  const folder = await mkdtemp(join(tmpdir(), 'parquet-crypto-io-'));
  const path = join(folder, 'sealed');
  await writeFile(path, await seal(plain));
  const [from, to, also] = [
    await open(path),
    await open(join(folder, 'a'), 'w'),
    await open(join(folder, 'b'), 'w'),
  ];
  const options = { keys: holding(0), columns: ['i'] };
  for (const sink of [fileSink(to), descriptorSink(also.fd)]) {
    await decryptProjection({ source: await fileSource(from), sink, ...options });
  }
  await Promise.all([from.close(), to.close(), also.close()]);
  const [a, b] = [await readFile(join(folder, 'a')), await readFile(join(folder, 'b'))];
  await rm(folder, { recursive: true });
  expect(a.equals(b)).toBe(true);
  expect(await duck.read(a)).toEqual(await duck.read(plain));
});
