// SPDX-License-Identifier: Apache-2.0
// Many chunks at once: what comes out is in order whoever is quick or slow; the earliest chunk that
// fails is the one that is told of, and nothing behind it is written; no chunk is far ahead of a
// sink that does not take.
import { afterAll, describe, expect, test } from 'vitest';
import { holding, seal, unseal } from '../testing/files.ts';
import { mintParquet } from '../testing/mint.ts';
import { openParquet } from './footer.ts';
import { BufferSink, bufferSource, CryptoPool, decryptProjection } from './index.ts';

const COLUMNS = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5'];
const plain = mintParquet({ columns: 6, rowGroups: 3, pages: 3, valuesPerPage: 500 });
const pool = new CryptoPool(3);
afterAll(() => pool.close());

/** A source of bytes whose reads take turns at being slow. */
function uneven(bytes: Uint8Array) {
  let reads = 0;
  const inner = bufferSource(bytes);
  return {
    size: inner.size,
    async read(offset: number, length: number) {
      const wait = (reads++ * 7) % 5;
      await new Promise((resolve) => setTimeout(resolve, wait));
      return await inner.read(offset, length);
    },
  };
}

describe.each([
  ['on one thread', undefined],
  ['on three', pool],
])('%s', (_, threads) => {
  const decrypt = async (bytes: Uint8Array, sink = new BufferSink()) => {
    const options = { source: uneven(bytes), sink, keys: holding(), columns: COLUMNS };
    await decryptProjection({ ...options, pool: threads });
    return sink.bytes();
  };

  test('parts come in order', async () => {
    const sealed = await seal(plain, { columnKeys: 'footer-key' });
    const [got, wanted] = [await decrypt(sealed), await unseal(sealed, COLUMNS)];
    expect(Buffer.compare(got, wanted)).toBe(0);
  });

  test('of two chunks that fail the earlier is named', async () => {
    const sealed = await seal(plain, { columnKeys: 'footer-key' });
    const { footerStart } = await openParquet({ source: bufferSource(sealed), keys: holding() });
    const size = (footerStart - 4) / 18;
    for (const chunk of [8, 7]) {
      const at = 4 + chunk * size + 50;
      sealed[at] = (sealed[at] ?? 0) ^ 1;
    }
    await expect(decrypt(sealed)).rejects.toMatchObject({
      code: 'tag-invalid',
      message: expect.stringContaining('column c1 of row group 1 '),
    });
    // The pool is as good as before.
    const whole = await seal(plain, { columnKeys: 'footer-key' });
    expect((await decrypt(whole)).length).toBeGreaterThan(0);
  });

  test('a sink that fails ends the work', async () => {
    const sealed = await seal(plain, { columnKeys: 'footer-key' });
    const sink = new BufferSink();
    sink.write = () => Promise.reject(new Error('disk full'));
    await expect(decrypt(sealed, sink)).rejects.toThrow('disk full');
  });
});

test('small chunks side by side are read together, and no byte between others', async () => {
  const sealed = await seal(plain, { columnKeys: 'footer-key' });
  const inner = bufferSource(sealed);
  const reads = async (columns: readonly string[]) => {
    const seen: number[] = [];
    const source = {
      size: inner.size,
      read: (offset: number, length: number) => {
        if (length > 4 && offset + length < inner.size) seen.push(length);
        return inner.read(offset, length);
      },
    };
    const sink = new BufferSink();
    await decryptProjection({ source, sink, keys: holding(), columns });
    return { seen, bytes: sink.bytes() };
  };
  const { footerStart } = await openParquet({ source: inner, keys: holding() });
  const size = (footerStart - 4) / 18;
  const all = await reads(COLUMNS);
  expect(all.seen).toEqual([18 * size]);
  expect(Buffer.compare(all.bytes, await unseal(sealed, COLUMNS))).toBe(0);
  expect((await reads(['c1', 'c2'])).seen).toEqual([2 * size, 2 * size, 2 * size]);
  expect((await reads(['c1', 'c3'])).seen).toEqual(new Array(6).fill(size));
});

test('a sink that takes nothing is not run away from', async () => {
  const large = mintParquet({ rowGroups: 12, pages: 4, valuesPerPage: 500_000 });
  const sealed = await seal(large, { columnKeys: 'footer-key' });
  const inner = bufferSource(sealed);
  let read = 0;
  const source = {
    size: inner.size,
    async read(offset: number, length: number) {
      read += length;
      return await inner.read(offset, length);
    },
  };
  let release = (): void => undefined;
  const blocked = new Promise<void>((resolve) => {
    release = resolve;
  });
  const sink = { write: () => blocked };
  const work = decryptProjection({ source, sink, keys: holding(), columns: ['c0'] });
  let before = -1;
  while (read !== before) {
    before = read;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(read).toBeLessThan(40_000_000);
  expect(sealed.length).toBeGreaterThan(90_000_000);
  release();
  expect(await work).toMatchObject({ rows: 24_000_000 });
});
