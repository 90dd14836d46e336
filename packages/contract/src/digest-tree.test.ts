// SPDX-License-Identifier: Apache-2.0
// Digest trees: no byte of a file can be swapped, short or beyond its end; ranges equal a naive
// slice; chunks are fetched when touched, once, and few of them are kept.

import { nodeCrypto } from '@cloister/core/node';
import { MerkleTree } from '@cloister/tlog';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, CheckedRanges, checkLeaves, digestTree } from './digest-tree.ts';

const crypto = nodeCrypto;

/** Bytes that differ from chunk to chunk. */
function fileOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 4_093) bytes[at] = (at >> 10) % 251;
  for (let at = 0; at < length; at += CHUNK_BYTES) bytes[at] = at / CHUNK_BYTES + 1;
  return bytes;
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

const LENGTH = 3 * CHUNK_BYTES + 12_345;
const file = fileOf(LENGTH);
const tree = await digestTree(chunksOf(file), crypto);

function ranges(
  read: (start: number, end: number) => Promise<Uint8Array> = async (a, b) => file.slice(a, b),
) {
  return new CheckedRanges(tree, read, { crypto });
}

describe('digestTree', () => {
  it('is RFC 6962 over chunks of 1 MiB', async () => {
    const naive = new MerkleTree(crypto);
    for await (const chunk of chunksOf(file)) naive.append(chunk);
    expect(tree.root).toEqual(naive.root());
    expect(tree.length).toBe(LENGTH);
    expect(tree.leaves).toHaveLength(4 * 32);
  });

  it('of nothing is the root of the empty tree', async () => {
    const empty = await digestTree(chunksOf(new Uint8Array(0)), crypto);
    expect(empty).toEqual({ leaves: new Uint8Array(0), root: crypto.digest('sha256'), length: 0 });
    const read = new CheckedRanges(empty, async () => file, { crypto });
    expect(await read.read(0, 10)).toHaveLength(0);
  });
});

describe('checkLeaves', () => {
  it('accepts what digestTree made', () => {
    expect(() => checkLeaves(tree.leaves, tree, crypto)).not.toThrow();
  });

  const bent = Uint8Array.from(tree.leaves);
  bent[40] = (bent[40] ?? 0) ^ 1;
  const swapped = Uint8Array.from(tree.leaves);
  swapped.set(tree.leaves.subarray(32, 64), 0);
  swapped.set(tree.leaves.subarray(0, 32), 32);
  const cases: Record<string, [Uint8Array, { root: Uint8Array; length: number }]> = {
    'a flipped bit': [bent, tree],
    'leaves in another order': [swapped, tree],
    'a leaf too few': [tree.leaves.subarray(32), tree],
    'a leaf too many': [new Uint8Array([...tree.leaves, ...tree.leaves.subarray(0, 32)]), tree],
    'half a leaf more': [new Uint8Array([...tree.leaves, 1, 2, 3]), tree],
    'no leaves': [new Uint8Array(0), tree],
    'another root': [tree.leaves, { ...tree, root: bent.slice(0, 32) }],
    'a length of more chunks': [tree.leaves, { ...tree, length: LENGTH + CHUNK_BYTES }],
    'a length of fewer chunks': [tree.leaves, { ...tree, length: CHUNK_BYTES }],
  };
  for (const [what, [leaves, about]] of Object.entries(cases)) {
    it(`refuses ${what}`, () => {
      const code = 'digest-tree-mismatch';
      expect(() => checkLeaves(leaves, about, crypto)).toThrow(expect.objectContaining({ code }));
      const build = () => new CheckedRanges({ ...about, leaves }, async () => file, { crypto });
      expect(build).toThrow(expect.objectContaining({ code }));
    });
  }
});

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
    const long = new Uint8Array(40 * CHUNK_BYTES).map((_, i) => (i >> 20) & 0xff);
    const checked = new CheckedRanges(
      await digestTree(chunksOf(long), crypto),
      async (start, end) => {
        asked.push([start / CHUNK_BYTES, end / CHUNK_BYTES]);
        return long.subarray(start, end);
      },
      { crypto },
    );
    await checked.read(2 * CHUNK_BYTES, 1);
    const got = await checked.read(0, 10 * CHUNK_BYTES);
    expect(Buffer.compare(got, long.subarray(0, 10 * CHUNK_BYTES))).toBe(0);
    // What is here already is not asked for again.
    expect(asked).toEqual([
      [2, 3],
      [0, 2],
      [3, 7],
      [7, 10],
    ]);
    // The newest chunks are kept, and only so many.
    await checked.read(10 * CHUNK_BYTES, 30 * CHUNK_BYTES);
    asked.length = 0;
    await checked.read(9 * CHUNK_BYTES, 1);
    expect(asked).toEqual([]);
    await checked.read(0, 1);
    expect(asked).toEqual([[0, 1]]);
    expect(checked.fetched).toBe(41 * CHUNK_BYTES);
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
});
