// SPDX-License-Identifier: Apache-2.0
// A page in GZIP has to hold by its own checksum and length: the engine and other readers look at
// neither, so a changed byte would be another value.
import { deflateRawSync, gzipSync } from 'node:zlib';
import { concat } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { mintParquet } from '../testing/mint.ts';
import { checkPages } from './check-pages.ts';
import { COLUMN, PAGE } from './format.ts';
import { holdsAsGzip } from './gzip-pages.ts';
import { bufferSource } from './sources-and-sinks.ts';
import { TYPE } from './thrift/compact.ts';
import { encodeStruct, i32, struct } from './thrift/struct.ts';

const plain = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0);
const GZIP = { [COLUMN.codec]: i32(2) };

/** Two pages of three values. */
function checked(body: Uint8Array, more: object = {}) {
  const page = { [PAGE.uncompressedSize]: i32(plain.length) };
  const shape = { pages: 2, valuesPerPage: 3, body, metadata: GZIP, page };
  return checkPages(bufferSource(mintParquet({ ...shape, ...more })));
}

/** Pages of the first version, and of the second. */
const VERSIONS = [{}, headOfV2(0, true)];

function headOfV2(levels: number, isCompressed: boolean) {
  const uncompressed = { [PAGE.uncompressedSize]: i32(plain.length + levels) };
  return { v2: true, page: { ...uncompressed, [PAGE.dataV2]: v2Header(levels, isCompressed) } };
}

/** With other bytes at a place counted from the end where it is negative. */
function changed(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[at < 0 ? out.length + at : at] = byte;
  return out;
}

/** DataPageHeaderV2 of three values. */
function v2Header(definitionBytes: number, isCompressed: boolean) {
  const type = isCompressed ? TYPE.true : TYPE.false;
  const sizes = { 5: i32(definitionBytes), 6: i32(0), 7: { type, value: new Uint8Array(0) } };
  return struct(encodeStruct({ 1: i32(3), 2: i32(0), 3: i32(3), 4: i32(0), ...sizes }));
}

/** A member whose block is stored: other values in it decode as well as those that belong there. */
const storedGzip = gzipSync(plain, { level: 0 });
const firstValue = storedGzip.indexOf(Uint8Array.of(1, 0, 0, 0, 2));

describe('pages in GZIP', () => {
  it.each(VERSIONS)('hold as they were written (%#)', async (more) => {
    expect((await checked(gzipSync(plain), more)).pages).toBe(2);
    const members = concat(gzipSync(plain.subarray(0, 5)), gzipSync(plain.subarray(5)));
    expect((await checked(members, more)).pages).toBe(2);
  });

  it.each<[string, Uint8Array]>([
    ['another value in it', changed(storedGzip, firstValue, 9)],
    ['another checksum', changed(gzipSync(plain), -8, 7)],
    ['another length behind it', changed(gzipSync(plain), -1, 7)],
    [
      'a second member that does not hold',
      concat(gzipSync(plain.subarray(0, 4)), changed(gzipSync(plain.subarray(4)), -8, 7)),
    ],
    ['no end', gzipSync(plain).subarray(0, -1)],
    ['more than its header says', gzipSync(concat(plain, plain))],
    ['less than its header says', gzipSync(plain.subarray(1))],
    ['no such header', deflateRawSync(plain)],
    ['nothing', new Uint8Array(0)],
  ])('with %s are told by column and row group', async (_, body) => {
    for (const more of VERSIONS) {
      await expect(checked(body, more)).rejects.toMatchObject({
        code: 'page-damaged',
        details: { column: 'c0', rowGroup: 0 },
        message: expect.stringMatching(/page 0 has not the checksum or the length/),
      });
    }
  });

  it('are checked without their levels, and not where they are not compressed', async () => {
    const levels = Uint8Array.of(6, 1);
    const head = (isCompressed: boolean) => headOfV2(levels.length, isCompressed);
    await checked(concat(levels, gzipSync(plain)), head(true));
    await checked(concat(levels, plain), head(false));
    await expect(checked(concat(levels, plain), head(true))).rejects.toMatchObject({
      code: 'page-damaged',
    });
  });

  it('of many bytes are looked at piece by piece, to the length they should have', async () => {
    const length = 33 * 1024 * 1024;
    const zeros = gzipSync(new Uint8Array(length));
    expect(await holdsAsGzip([zeros], length)).toBe(true);
    expect(await holdsAsGzip([zeros.subarray(0, 99), zeros.subarray(99)], length)).toBe(true);
    expect(await holdsAsGzip([zeros], length - 1)).toBe(false);
    expect(await holdsAsGzip([zeros], length + 1)).toBe(false);
    expect(await holdsAsGzip([changed(zeros, -8, 7)], length)).toBe(false);
  });

  it('without a value may have no bytes', async () => {
    expect(await holdsAsGzip([], 0)).toBe(true);
    expect(await holdsAsGzip([gzipSync(new Uint8Array(0))], 0)).toBe(true);
    expect(await holdsAsGzip([gzipSync(plain)], 0)).toBe(false);
  });
});
