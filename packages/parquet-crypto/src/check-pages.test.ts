// SPDX-License-Identifier: Apache-2.0
// Every page of a clear file is met, damage is told with its place, and files of other writers with
// checksums hold, but for those that are made not to.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mintParquet } from '../testing/mint.ts';
import { checkPages } from './check-pages.ts';
import { PAGE } from './format.ts';
import { bufferSource } from './sources-and-sinks.ts';
import { i32 } from './thrift/struct.ts';

const DATA = new URL('../../../../shared/vectors/parquet-testing/data/', import.meta.url);

const VALUES = 40;
const body = Uint8Array.from({ length: 4 * VALUES }, (_, i) => (i % 4 === 0 ? i / 4 : 0));
const shape = { columns: 2, rowGroups: 3, pages: 2, valuesPerPage: VALUES };
const summed = { ...shape, page: { [PAGE.crc]: i32(crc32(body) | 0) } };
const check = (file: Uint8Array) => checkPages(bufferSource(file));

/** Where the body of the n-th page is. */
function bodyAt(file: Uint8Array, page: number): number {
  let at = -1;
  for (let i = 0; i <= page; i++) at = Buffer.from(file).indexOf(body, at + 1);
  return at;
}

describe('pages of a clear file', () => {
  it.each([{}, { v2: true }])('are all met, with their encodings (%j)', async (more) => {
    const plain = await check(mintParquet({ ...shape, ...more }));
    expect(plain).toMatchObject({ pages: 12, withChecksum: 0, rowGroups: [80, 80, 80] });
    expect(plain.columns.map(({ encodings }) => [...encodings])).toEqual([['PLAIN'], ['PLAIN']]);
    expect((await check(mintParquet({ ...summed, ...more }))).withChecksum).toBe(12);
  });

  it('that one bit has changed are told by column and row group', async () => {
    for (const [page, column, rowGroup, ordinal] of [
      [0, 'c0', 0, 0],
      [7, 'c1', 1, 1],
      [11, 'c1', 2, 1],
    ] as const) {
      const file = mintParquet(summed);
      const at = bodyAt(file, page) + 4 * VALUES - 1;
      file[at] = (file[at] as number) ^ 1;
      await expect(check(file)).rejects.toMatchObject({
        code: 'page-damaged',
        details: { column, rowGroup },
        message: expect.stringMatching(
          `${column} is damaged in row group ${rowGroup}: page ${ordinal} `,
        ),
      });
    }
  });

  it('of broken framing are told by their place, with or without checksums', async () => {
    const file = mintParquet(shape);
    file.fill(0xff, bodyAt(file, 3) - 8, bodyAt(file, 3));
    await expect(check(file)).rejects.toMatchObject({
      code: 'page-damaged',
      details: { column: 'c1', rowGroup: 0 },
    });
  });

  it.skipIf(!existsSync(DATA)).each([
    ['datapage_v1-corrupt-checksum.parquet', 'damaged'],
    ['rle-dict-uncompressed-corrupt-checksum.parquet', 'damaged'],
    ['datapage_v1-snappy-compressed-checksum.parquet', 'holds'],
    ['datapage_v1-uncompressed-checksum.parquet', 'holds'],
    ['plain-dict-uncompressed-checksum.parquet', 'holds'],
    ['rle-dict-snappy-checksum.parquet', 'holds'],
  ])('of %s [skip: shared]: %s', async (name, what) => {
    const checked = check(await readFile(new URL(name, DATA)));
    if (what === 'damaged') await expect(checked).rejects.toMatchObject({ code: 'page-damaged' });
    else expect((await checked).withChecksum).toBeGreaterThan(0);
  });
});
