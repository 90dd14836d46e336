// SPDX-License-Identifier: Apache-2.0
// Checked ranges: no byte of a file can be swapped, short or beyond its end; ranges equal a naive
// slice; chunks are fetched when touched, once, and few of them are kept; memory that serves again
// never has bytes that were not checked for it.

import { nodeCrypto } from '@cloister/core/node';
import { chunksOf, fileOf } from '@cloister/testkit/world';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckedRanges, type ReadRun } from './checked-ranges.ts';
import { CHUNK_BYTES, digestTree } from './digest-tree.ts';

const crypto = nodeCrypto;
const LENGTH = 3 * CHUNK_BYTES + 12_345;
const file = fileOf(LENGTH);
const tree = await digestTree(chunksOf(file), crypto);

function ranges(read: ReadRun = async (a, b) => file.slice(a, b)) {
  return new CheckedRanges(tree, read, { crypto });
}

describe('CheckedRanges', () => {
  it('reads any range as a slice of the file, and nothing beyond its end', async () => {
    const checked = ranges();
    const edges = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, LENGTH - 1, LENGTH];
    const offset = fc.oneof(fc.constantFrom(...edges), fc.nat({ max: LENGTH + 10 }));
    const length = fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 2 * CHUNK_BYTES + 10 }));
    await fc.assert(
      fc.asyncProperty(offset, length, async (at, size) => {
        const got = await checked.read(at, size);
        expect(Buffer.compare(got, file.subarray(at, at + size))).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('fetches whole chunks that it touches, each once, and counts them', async () => {
    const asked: [number, number][] = [];
    const checked = ranges(async (start, end) => {
      asked.push([start, end]);
      return file.slice(start, end);
    });
    await Promise.all([checked.read(5, 10), checked.read(20, 10), checked.read(LENGTH - 1, 1)]);
    expect(asked).toEqual([
      [0, CHUNK_BYTES],
      [3 * CHUNK_BYTES, LENGTH],
    ]);
    expect(checked.fetched).toBe(CHUNK_BYTES + 12_345);
  });

  it('fetches neighbours together, and one run ahead of the one in use', async () => {
    const asked: [number, number][] = [];
    const long = new Uint8Array(100 * CHUNK_BYTES).map((_, i) => (i >> 18) & 0xff);
    const checked = new CheckedRanges(
      await digestTree(chunksOf(long), crypto),
      async (start, end) => {
        asked.push([start / CHUNK_BYTES, end / CHUNK_BYTES]);
        return long.subarray(start, end);
      },
      { crypto },
    );
    await checked.read(2 * CHUNK_BYTES, 1);
    const got = await checked.read(0, 40 * CHUNK_BYTES);
    expect(Buffer.compare(got, long.subarray(0, 40 * CHUNK_BYTES))).toBe(0);
    // What is here already is not asked for again.
    expect(asked).toEqual([
      [2, 3],
      [0, 2],
      [3, 19],
      [19, 35],
      [35, 40],
    ]);
    // The newest chunks are kept, and only so many.
    await checked.read(40 * CHUNK_BYTES, 60 * CHUNK_BYTES);
    asked.length = 0;
    await checked.read(39 * CHUNK_BYTES, 1);
    expect(asked).toEqual([]);
    await checked.read(0, 1);
    expect(asked).toEqual([[0, 1]]);
    // One came twice, and counts once.
    expect(checked.fetched).toBe(100 * CHUNK_BYTES);
  });

  const lies: Record<string, [string, (start: number, end: number) => Uint8Array]> = {
    'another chunk': ['chunk-mismatch', () => file.slice(CHUNK_BYTES, 2 * CHUNK_BYTES)],
    'too few bytes': ['chunk-short', (start, end) => file.slice(start, end - 1)],
    'too many bytes': ['chunk-short', (start, end) => file.slice(start, end + 1)],
    nothing: ['chunk-short', () => new Uint8Array(0)],
  };
  for (const [what, [code, read]] of Object.entries(lies)) {
    it(`refuses ${what} in a chunk's place, and asks again the next time`, async () => {
      let honest = false;
      const checked = ranges(async (a, b) => (honest ? file.slice(a, b) : read(a, b)));
      await expect(checked.read(10, 10)).rejects.toMatchObject({ code });
      expect(checked.fetched).toBe(0);
      honest = true;
      expect(await checked.read(10, 10)).toEqual(file.slice(10, 20));
    });
  }

  it('refuses any flipped bit', async () => {
    const at = fc.nat({ max: LENGTH - 1 });
    await fc.assert(
      fc.asyncProperty(at, fc.nat({ max: 7 }), async (position, bit) => {
        const checked = ranges(async (start, end) => {
          const bytes = file.slice(start, end);
          if (position >= start && position < end) {
            bytes[position - start] = (bytes[position - start] ?? 0) ^ (1 << bit);
          }
          return bytes;
        });
        await expect(checked.read(position, 1)).rejects.toMatchObject({ code: 'chunk-mismatch' });
      }),
      { numRuns: 20 },
    );
  });

  it('is right in memory that serves again, whatever fails or comes late', async () => {
    const long = fileOf(200 * CHUNK_BYTES + 99);
    const longTree = await digestTree(chunksOf(long), crypto);
    const reads = fc.array(
      fc.record({ at: fc.nat({ max: long.length }), size: fc.nat({ max: 24 * CHUNK_BYTES }) }),
      { minLength: 6, maxLength: 14 },
    );
    // For each run: whether it fails, and whether it writes to its memory after that.
    const fates = fc.array(fc.constantFrom('right', 'right', 'own', 'fails', 'late'), {
      minLength: 5,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(reads, fates, async (asked, fate) => {
        const memories = new Set<ArrayBufferLike>();
        let run = 0;
        const read: ReadRun = async (start, end, into) => {
          memories.add(into.buffer);
          const how = fate[run++ % fate.length];
          await new Promise((resolve) => setImmediate(resolve));
          if (how === 'own') return long.slice(start, end);
          if (how === 'late') setTimeout(() => into.fill(0xdd), 2);
          if (how === 'late' || how === 'fails') throw new Error('cut');
          into.set(long.subarray(start, end));
          return into;
        };
        const checked = new CheckedRanges(longTree, read, { crypto });
        const once = async ({ at, size }: { at: number; size: number }) => {
          const got = await checked.read(at, size).catch(() => undefined);
          await new Promise((resolve) => setImmediate(resolve));
          if (got === undefined) return;
          expect(Buffer.compare(got, long.subarray(at, at + size))).toBe(0);
        };
        for (let i = 0; i < asked.length; i += 3) {
          const some = asked.slice(i, i + 3);
          await Promise.all(some.map(once));
          // What was kept is read once more when what is late has come.
          await new Promise((resolve) => setTimeout(resolve, 4));
          await Promise.all(some.map(once));
        }
      }),
      { numRuns: 15 },
    );
  });

  it('takes no more memory for a long file than for what is kept and in use', async () => {
    const long = fileOf(640 * CHUNK_BYTES);
    const memories = new Set<ArrayBufferLike>();
    const read: ReadRun = async (start, end, into) => {
      memories.add(into.buffer);
      into.set(long.subarray(start, end));
      return into;
    };
    const checked = new CheckedRanges(await digestTree(chunksOf(long), crypto), read, { crypto });
    const target = new Uint8Array(16 * CHUNK_BYTES);
    for (let at = 17; at < long.length; at += target.length) {
      const length = await checked.readInto(at, target);
      expect(Buffer.compare(target.subarray(0, length), long.subarray(at, at + length))).toBe(0);
    }
    expect(checked.fetched).toBe(long.length);
    expect(memories.size).toBeLessThanOrEqual(7);
  });
});
