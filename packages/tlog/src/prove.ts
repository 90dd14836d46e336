// SPDX-License-Identifier: Apache-2.0
// Proofs from stored hashes. A proof is computed from O(log n) complete subtrees, read through a
// port, and verified against the head it is for before it is handed out: a damaged tile gives
// `tile-inconsistent`, never a proof that does not hold.
import { type CryptoPort, isCoded } from '@cloister/core';
import { tlogError } from './errors.ts';
import type { TreeHead } from './hash.ts';
import {
  consistencyRanges,
  foldRange,
  inclusionRanges,
  type LeafRange,
  rangeNodes,
  type TreeNode,
} from './ranges.ts';
import { treeNodeHash } from './tile-nodes.ts';
import { parseTile, TILE_WIDTH, type TileReader } from './tiles.ts';
import { verifyConsistency, verifyInclusion } from './verify-proof.ts';

/** Where the hashes of complete subtrees come from. */
export interface HashReader {
  /** The hashes of `nodes`, in that order. */
  readHashes(nodes: readonly TreeNode[]): Promise<readonly Uint8Array[]>;
}

/** The leaf hash and the inclusion proof of leaf `index` under the head (size, root). */
export async function proveInclusion(
  crypto: CryptoPort,
  reader: HashReader,
  target: { readonly index: number } & TreeHead,
): Promise<{ leaf: Uint8Array; proof: Uint8Array[] }> {
  const { index, size, root } = target;
  const ranges = inclusionRanges(index, size);
  const self: LeafRange = { start: index, end: index + 1 };
  const [leaf, ...proof] = await rangeHashes(crypto, reader, [self, ...ranges]);
  const made = { leaf: leaf as Uint8Array, proof };
  selfCheck(() => verifyInclusion(crypto, { ...made, index, size, root }));
  return made;
}

/** The proof that head `to` extends head `from`. */
export async function proveConsistency(
  crypto: CryptoPort,
  reader: HashReader,
  heads: { readonly from: TreeHead; readonly to: TreeHead },
): Promise<Uint8Array[]> {
  const { from, to } = heads;
  const ranges = consistencyRanges(from.size, to.size);
  const proof = await rangeHashes(crypto, reader, ranges);
  const [fromSize, fromRoot, toSize, toRoot] = [from.size, from.root, to.size, to.root];
  selfCheck(() => verifyConsistency(crypto, { fromSize, fromRoot, toSize, toRoot, proof }));
  return proof;
}

/** Complete subtrees' hashes out of the tiles of a tree of `size` leaves; each tile read once. */
export function tileHashReader(crypto: CryptoPort, tiles: TileReader, size: number): HashReader {
  return {
    async readHashes(nodes) {
      const seen = new Map<string, Promise<Uint8Array>>();
      return Promise.all(
        nodes.map(async (node) => {
          const level = Math.floor(node.level / 8);
          const height = node.level % 8;
          const first = node.index * 2 ** height;
          const index = Math.floor(first / TILE_WIDTH);
          const held = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
          const width = Math.min(TILE_WIDTH, held);
          const name = `${level}/${index}`;
          const read = seen.get(name) ?? tiles.readTile({ level, index, width });
          seen.set(name, read);
          const tile = await read;
          parseTile(tile, width);
          return treeNodeHash(crypto, tile, height, (first % TILE_WIDTH) / 2 ** height);
        }),
      );
    },
  };
}

async function rangeHashes(
  crypto: CryptoPort,
  reader: HashReader,
  ranges: readonly LeafRange[],
): Promise<Uint8Array[]> {
  const nodes = ranges.map(rangeNodes);
  const hashes = await reader.readHashes(nodes.flat());
  let at = 0;
  return nodes.map((own) => {
    const hash = foldRange(crypto, hashes.slice(at, at + own.length));
    at += own.length;
    return hash;
  });
}

function selfCheck(verify: () => void): void {
  try {
    verify();
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    const message =
      "the stored hashes do not lead to the root: a tile is damaged, or another log's";
    throw tlogError('tile-inconsistent', message, { cause });
  }
}
