// SPDX-License-Identifier: Apache-2.0
// The tree against RFC 6962 word for word, its proofs, its tiles, and damage to them.
import { isCoded, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  emptyRoot,
  HASH_SIZE,
  leafHash,
  MerkleTree,
  nodeHash,
  proveInclusion,
  tileHashReader,
  tilePath,
  tilesOf,
  verifyConsistency,
  verifyInclusion,
} from './index.ts';

/** RFC 6962 section 2.1, word for word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return emptyRoot(nodeCrypto);
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(nodeCrypto, naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function treeOf(size: number): { tree: MerkleTree; leaves: Uint8Array[] } {
  const tree = new MerkleTree(nodeCrypto);
  const leaves = Array.from({ length: size }, (_, i) => leafHash(nodeCrypto, utf8(`entry ${i}`)));
  for (const leaf of leaves) tree.appendHash(leaf);
  return { tree, leaves };
}

describe('a Merkle tree in tiles', () => {
  const big = treeOf(66_000);

  it('agrees with the naive definition at every size up to 300 and around tile borders', () => {
    const sizes = [...Array(300).keys(), 511, 512, 513, 65_536, 65_537, 66_000];
    for (const size of sizes) {
      expect(big.tree.root(size), `size ${size}`).toEqual(naiveRoot(big.leaves.slice(0, size)));
    }
  });

  it('proves any leaf under any size, in logarithmic length', async () => {
    const pair = fc
      .integer({ min: 1, max: 66_000 })
      .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
    await fc.assert(
      fc.asyncProperty(pair, async ([size, index]) => {
        const proof = await big.tree.inclusionProof(index, size);
        expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        const root = big.tree.root(size);
        const leaf = big.leaves[index] as Uint8Array;
        verifyInclusion(nodeCrypto, { leaf, index, size, root, proof });
      }),
      { numRuns: 150 },
    );
  });

  it('proves that any size extends any smaller one', async () => {
    const sizes = fc.tuple(fc.nat(66_000), fc.nat(66_000));
    await fc.assert(
      fc.asyncProperty(sizes, async ([a, b]) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const proof = await big.tree.consistencyProof(from, to);
        expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(Math.max(to, 1))) + 1);
        const claim = { fromSize: from, fromRoot: big.tree.root(from), toSize: to, proof };
        verifyConsistency(nodeCrypto, { ...claim, toRoot: big.tree.root(to) });
      }),
      { numRuns: 150 },
    );
  });

  it('refuses every single-bit and single-field change of a proof', async () => {
    const [index, size] = [700, 1_300];
    const proof = await big.tree.inclusionProof(index, size);
    const root = big.tree.root(size);
    const leaf = big.leaves[index] as Uint8Array;
    const good = { leaf, index, size, root, proof };
    verifyInclusion(nodeCrypto, good);
    const flip = (hash: Uint8Array) => hash.map((b, i) => (i === 7 ? b ^ 16 : b));
    const mutants = [
      { ...good, leaf: flip(leaf) },
      { ...good, root: flip(root) },
      { ...good, index: index + 1 },
      { ...good, index: size },
      { ...good, size: 2 * size },
      { ...good, proof: proof.slice(1) },
      { ...good, proof: [...proof, leaf] },
      ...proof.map((_, at) => ({ ...good, proof: proof.map((h, i) => (i === at ? flip(h) : h)) })),
    ];
    for (const mutant of mutants) {
      expectCode(() => verifyInclusion(nodeCrypto, mutant), 'inclusion-proof-invalid');
    }
    const short = { ...good, proof: [leaf.subarray(1)] };
    expectCode(() => verifyInclusion(nodeCrypto, short), 'proof-malformed');
    for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
      const claim = { ...good, size: bad };
      expectCode(() => verifyInclusion(nodeCrypto, claim), 'tree-position-invalid');
    }
  });

  it('names, fills and hands out the tiles that C2SP tlog-tiles names', async () => {
    const names = [...tilesOf(70_000)].map(tilePath);
    expect(names.length).toBe(273 + 1 + 1 + 1 + 1);
    expect(names.filter((n) => n.includes('.p/'))).toEqual([
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
    const { tree } = treeOf(70_000);
    const taken = tree.take().map((tile) => tilePath(tile.id));
    expect(taken.sort()).toEqual(names.filter((n) => !n.includes('.p/')).sort());
    expect(tree.take()).toEqual([]);
    for (const id of tilesOf(70_000)) {
      expect((await tree.readTile(id)).length).toBe(id.width * HASH_SIZE);
    }
    await expectRejected(tree.readTile({ level: 0, index: 273, width: 113 }), 'tile-not-found');
    await expectRejected(tree.readTile({ level: 3, index: 0, width: 1 }), 'tile-not-found');
  });

  it('finds one flipped bit in a tile before it hands out a proof', async () => {
    const { tree } = treeOf(1_000);
    const damaged = tileHashReader(
      nodeCrypto,
      {
        async readTile(id) {
          const tile = await tree.readTile(id);
          if (id.level === 0 && id.index === 1) tile[40] = (tile[40] as number) ^ 1;
          return tile;
        },
      },
      1_000,
    );
    const head = tree.head();
    const made = proveInclusion(nodeCrypto, damaged, { index: 300, ...head });
    await expectRejected(made, 'tile-inconsistent');
    // A proof that needs only the hash of the whole tile, stored one level up, is not touched.
    await proveInclusion(nodeCrypto, damaged, { index: 999, ...head });
  });

  it('refuses sizes and leaves that are not there', async () => {
    const { tree } = treeOf(3);
    expectCode(() => tree.root(4), 'tree-position-invalid');
    expectCode(() => tree.leaf(3), 'tree-position-invalid');
    expectCode(() => tree.appendHash(new Uint8Array(31)), 'proof-malformed');
    await expectRejected(tree.inclusionProof(3), 'tree-position-invalid');
    await expectRejected(tree.consistencyProof(3, 2), 'tree-position-invalid');
  });
});

function expectCode(f: () => unknown, code: string): void {
  let got: unknown;
  try {
    f();
  } catch (error) {
    got = error;
  }
  expect(isCoded(got, code), `wanted ${code}, got ${String(got)}`).toBe(true);
}

async function expectRejected(promise: Promise<unknown>, code: string): Promise<void> {
  const got = await promise.then(
    () => 'no error',
    (error: unknown) => error,
  );
  expect(isCoded(got, code), `wanted ${code}, got ${String(got)}`).toBe(true);
}
