// SPDX-License-Identifier: Apache-2.0
// Digest trees: RFC 6962 over chunks, and leaf hashes that give no other root.

import { nodeCrypto } from '@cloister/core/node';
import { chunksOf, fileOf } from '@cloister/testkit/world';
import { MerkleTree } from '@cloister/tlog';
import { describe, expect, it } from 'vitest';
import { CheckedRanges } from './checked-ranges.ts';
import { CHUNK_BYTES, checkLeaves, digestTree } from './digest-tree.ts';

const crypto = nodeCrypto;

const LENGTH = 3 * CHUNK_BYTES + 12_345;
const file = fileOf(LENGTH);
const tree = await digestTree(chunksOf(file), crypto);

describe('digestTree', () => {
  it('is RFC 6962 over chunks of 256 KiB', async () => {
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
