// SPDX-License-Identifier: Apache-2.0
// Every page of a Parquet file is read before anything is made of it: whichever is destroyed, the
// file is refused with column and row group, statistics or not; what cannot be read is named.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { bufferSource, checkPages } from '@cloister/parquet-crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { mintParquet } from '../../../parquet-crypto/testing/mint.ts';
import { Desk } from '../../testing/ingest.ts';
import { type Duck, failedHere } from './duck.ts';
import { inspectInput } from './inspect.ts';
import { checkAllPages, decodeAll, refuseCodecs, refuseEncodings } from './parquet-pages.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

const ROWS = 6_000;
/** Statistics alone would tell most of these columns: equal, absent, in order. */
const SQL =
  `SELECT range AS a, 7 AS same, NULL::INTEGER AS none, 'text ' || range AS t, ` +
  `range % 5 AS few, range::DOUBLE AS x FROM range(${ROWS})`;

interface Chunk {
  readonly column: string;
  readonly rowGroup: number;
  readonly start: number;
  readonly size: number;
}

async function written(options: string): Promise<{ bytes: Buffer; chunks: Chunk[] }> {
  const path = `${await desk.folder()}/t.parquet`;
  await desk.query(`COPY (${SQL}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048, ${options})`);
  const rows = await desk.query(
    'SELECT path_in_schema, row_group_id, coalesce(dictionary_page_offset, data_page_offset), ' +
      `total_compressed_size FROM parquet_metadata('${path}')`,
  );
  const chunks = (rows as [string, string, string, string][]).map(([column, group, at, size]) => ({
    column,
    rowGroup: Number(group),
    start: Number(at),
    size: Number(size),
  }));
  return { bytes: await readFile(path), chunks };
}

async function inspected(bytes: Uint8Array) {
  return inspectInput(await desk.given('t.parquet', bytes));
}

describe('a destroyed page', () => {
  it.each([
    'COMPRESSION zstd',
    'COMPRESSION uncompressed',
    "COMPRESSION snappy, PARQUET_VERSION 'v2'",
  ])('is refused wherever it is (%s)', async (options) => {
    const { bytes, chunks } = await written(options);
    expect(chunks).toHaveLength(18);
    expect((await inspected(bytes)).rows).toBe(ROWS);
    for (const { column, rowGroup, start, size } of chunks) {
      const broken = Buffer.from(bytes);
      broken.fill(0xff, start, start + size);
      const found = inspected(broken);
      await expect(found, `${column} ${rowGroup}`).rejects.toMatchObject({
        code: 'page-damaged',
        details: { column, rowGroup },
        message: expect.stringContaining(`column ${column} is damaged in row group ${rowGroup}`),
      });
    }
  });

  it('whose framing is whole is found by decoding it', async () => {
    const { bytes, chunks } = await written('COMPRESSION zstd');
    for (const { column, rowGroup, start, size } of chunks.filter(({ size }) => size > 400)) {
      const broken = Buffer.from(bytes);
      broken.fill(0xff, start + size - 200, start + size);
      expect((await checkPages(bufferSource(broken))).pages).toBeGreaterThan(18);
      await expect(inspected(broken), `${column} ${rowGroup}`).rejects.toMatchObject({
        code: 'page-damaged',
        details: { column, rowGroup },
        message: expect.stringContaining('cannot be decoded'),
      });
    }
  });
});

describe('what cannot be read', () => {
  const leaf = { path: 'x', physicalType: 'INT32', nullable: true };
  const codecs = (...names: string[]) =>
    refuseCodecs({ ...leaf, sizes: { codecs: names } } as never);
  const pages = (encodings: string[], levels: string[] = [], more: object = {}) =>
    refuseEncodings({
      leaf: { ...leaf, ...more } as never,
      encodings: new Set(encodings),
      levelEncodings: new Set(levels),
    });

  it.each([
    [() => codecs('LZO'), 'the codec LZO'],
    [() => codecs('SNAPPY', 'LZ4'), 'the codec LZ4'],
    [() => codecs('CODEC_9'), 'the codec CODEC_9'],
    [() => pages(['PLAIN', 'BYTE_STREAM_SPLIT']), 'the encoding BYTE_STREAM_SPLIT of INT32'],
    [() => pages(['GROUP_VAR_INT']), 'the encoding GROUP_VAR_INT of INT32'],
    [() => pages(['ENCODING_10']), 'the encoding ENCODING_10 of INT32'],
    [() => pages(['DELTA_BYTE_ARRAY']), 'the encoding DELTA_BYTE_ARRAY of INT32'],
    [() => pages(['PLAIN'], ['BIT_PACKED']), 'the encoding BIT_PACKED of which values are absent'],
  ])('is named (%#)', (act, what) => {
    expect(act).toThrow(`column x is written with ${what}, which cannot be read here`);
  });

  it('is taken where both readers know it', () => {
    codecs('BROTLI', 'LZ4_RAW');
    pages(['DELTA_BINARY_PACKED', 'RLE_DICTIONARY'], ['RLE']);
    pages(['PLAIN'], ['BIT_PACKED'], { nullable: false });
    pages(['BYTE_STREAM_SPLIT'], [], { physicalType: 'DOUBLE' });
  });

  it('of a page of a kind that nobody knows is told in our words', async () => {
    // PageHeader's field 1, type, as Thrift's i32.
    const page = { 1: { type: 5, value: 9 } } as const;
    const file = mintParquet({ valuesPerPage: 2, page });
    await expect(checkAllPages(bufferSource(file))).rejects.toMatchObject({
      code: 'parquet-malformed',
      message: expect.stringMatching(/has a page of type 9/),
    });
  });

  it('by the machine, not by the file, is told as that', async () => {
    const failed = failedHere('IO Error: Could not read from file "x"');
    const query = vi.fn(() => Promise.reject(failed));
    const columns = [{ name: 'a', read: 'BIGINT', type: 'BIGINT' }];
    const file = { path: 't.parquet', columns, rowGroups: [1] };
    await expect(decodeAll({ query } as unknown as Duck, file)).rejects.toBe(failed);
    // Nothing is looked for in the file.
    expect(query).toHaveBeenCalledTimes(1);
  });

  const shared = new URL('../../../../../shared/', import.meta.url);
  it.skipIf(!existsSync(shared))('is named in files of other writers [skip: shared]', async () => {
    for (const [file, what] of [
      ['cases/files/f_bss_int_min.parquet', /BYTE_STREAM_SPLIT of INT/],
      ['vectors/parquet-testing/data/hadoop_lz4_compressed.parquet', /the codec LZ4/],
    ] as const) {
      await expect(inspectInput(new URL(file, shared).pathname)).rejects.toMatchObject({
        code: 'parquet-encoding-unsupported',
        message: expect.stringMatching(what),
      });
    }
  });
});

describe('a failure that is not the file', () => {
  it.each([
    ['Out of Memory Error: failed to allocate', 'conversion-failed', /memory/],
    ['IO Error: Could not write file "x": No space left', 'conversion-failed', /written/],
    ['IO Error: Could not read from file "x": Input/output error', 'input-unreadable', /read from/],
  ])('%s is told as what it is', (text, code, says) => {
    expect(failedHere(text)).toMatchObject({ code, message: expect.stringMatching(says) });
  });

  it('says nothing of what the engine quotes', () => {
    expect(failedHere('Conversion Error: Could not convert string "secret"')).toBeUndefined();
    expect(failedHere('IO Error: Could not read "secret"')?.message).not.toContain('secret');
  });
});
