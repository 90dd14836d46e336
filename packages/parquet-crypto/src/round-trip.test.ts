// SPDX-License-Identifier: Apache-2.0
// Files that DuckDB writes go through encrypt, proof and decrypt; DuckDB and hyparquet read what
// comes out, and answer what they answer of the original.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  decryptProjection,
  encryptParquet,
  inspectParquet,
  masterKeys,
  readSchema,
} from './index.ts';

const FOOTER = { id: '0', masterKey: new Uint8Array(32).fill(7) };
const keyOf = (i: number) => ({ id: String(i + 1), masterKey: new Uint8Array(32).fill(i + 1) });

const FILES: Record<string, string> = {
  'many row groups': `SELECT i, i % 7 AS k, 'row ' || i AS t FROM range(20000) r(i)`,
  'nulls everywhere': `SELECT CASE WHEN i % 3 = 0 THEN i END AS a, NULL::INTEGER AS b,
     CASE WHEN i % 2 = 0 THEN 'x' || (i % 5) END AS c FROM range(5000) r(i)`,
  nested: `SELECT i, [i, NULL, i + 1] AS l, {'a': i, 'b': [{'c': 't' || i}]} AS s,
     MAP {'k' || i: i} AS m FROM range(3000) r(i)`,
  'decimals, dates, timestamps': `SELECT (i / 7)::DECIMAL(9, 3) AS d9, (i * 1.5)::DECIMAL(38, 4) AS d38,
     DATE '2020-01-01' + i::INTEGER AS d, TIMESTAMP '2020-01-01' + INTERVAL (i) SECOND AS ts,
     (TIMESTAMP '2020-01-01' + INTERVAL (i) SECOND)::TIMESTAMPTZ AS tz, TIME '01:02:03' AS t,
     gen_random_uuid() AS u, i::UTINYINT AS u8, i::DOUBLE AS f, i % 2 = 0 AS b, 'x'::BLOB AS bl
     FROM range(200) r(i)`,
  empty: `SELECT 1 AS a, 'x' AS b WHERE false`,
  'dotted names': `SELECT i AS "a.b", i + 1 AS "c", {'d': i} AS "e.f" FROM range(10) r(i)`,
};

let folder: string;
let db: DuckDBInstance;
// DuckDB keeps what it read of a path, so each file has its own.
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquet-crypto-'));
  db = await DuckDBInstance.create(':memory:', { threads: '1' });
});
afterAll(async () => {
  db.closeSync();
  await rm(folder, { recursive: true });
});

async function answer(sql: string): Promise<unknown> {
  const connection = await db.connect();
  const reader = await connection.runAndReadAll(sql);
  const rows = reader.getRowsJson();
  connection.closeSync();
  return rows;
}

async function write(sql: string, options = ''): Promise<Uint8Array> {
  const path = join(folder, `${files++}.parquet`);
  await answer(`COPY (${sql}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048${options})`);
  return new Uint8Array(await readFile(path));
}

async function read(bytes: Uint8Array, columns = '*'): Promise<unknown> {
  const path = join(folder, `${files++}.parquet`);
  await writeFile(path, bytes);
  return await answer(`SELECT ${columns} FROM '${path}'`);
}

async function seal(plain: Uint8Array) {
  const { columns } = await readSchema(bufferSource(plain));
  const tops = [...new Set(columns.map((c) => c.parts[0] ?? ''))];
  const columnKeys = new Map(tops.map((name, i) => [name, keyOf(i)]));
  const sink = new BufferSink();
  const aadPrefix = new Uint8Array([1, 2, 3]);
  await encryptParquet({
    source: bufferSource(plain),
    sink,
    footerKey: FOOTER,
    columnKeys,
    aadPrefix,
  });
  const all = new Map([FOOTER, ...columnKeys.values()].map((k) => [k.id, k.masterKey]));
  return { sealed: sink.bytes(), tops, keys: all, aadPrefix };
}

describe.each(Object.entries(FILES))('%s', (_, sql) => {
  test('comes back as it was, whole and column by column', async () => {
    const plain = await write(sql);
    const { sealed, tops, keys, aadPrefix } = await seal(plain);
    await assertFullyEncrypted(bufferSource(sealed), masterKeys(keys), { aadPrefix });
    const whole = new BufferSink();
    const source = bufferSource(sealed);
    await decryptProjection({
      source,
      sink: whole,
      keys: masterKeys(keys),
      columns: tops,
      aadPrefix,
    });
    expect(await read(whole.bytes())).toEqual(await read(plain));
    for (const [i, name] of tops.entries()) {
      const one = new Map([FOOTER, keyOf(i)].map((k) => [k.id, k.masterKey]));
      const sink = new BufferSink();
      await decryptProjection({ source, sink, keys: masterKeys(one), columns: [name], aadPrefix });
      expect(await read(sink.bytes())).toEqual(await read(plain, `"${name}"`));
      const file = sink.bytes().buffer;
      const rows = await parquetReadObjects({ file });
      expect(rows).toEqual(
        await parquetReadObjects({ file: plain.slice().buffer, columns: [name] }),
      );
    }
    const seen = await inspectParquet(source, {
      keys: masterKeys(new Map([['0', FOOTER.masterKey]])),
    });
    const sealedColumn = (c: (typeof seen.columns)[number]) =>
      c.key.kind === 'master-key' && !c.sizes;
    expect(seen.rowGroups === 0 || seen.columns.every(sealedColumn)).toBe(true);
  });
});
