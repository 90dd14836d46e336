// SPDX-License-Identifier: Apache-2.0
// Hashes inside a tile. A tile stores the nodes of one level in eight; the seven levels above them
// are recomputed from it (C2SP tlog-tiles, "Merkle Tree").
import type { CryptoPort } from '@cloister/core';
import { HASH_SIZE, nodeHash } from './hash.ts';

/**
 * The node `height` (0 to 8) levels above the tile's own hashes, number `index` at that level. The
 * tile must hold all 2^height hashes below it.
 */
export function treeNodeHash(
  crypto: CryptoPort,
  tile: Uint8Array,
  height: number,
  index: number,
): Uint8Array {
  if (height === 0) return tile.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE);
  const left = treeNodeHash(crypto, tile, height - 1, 2 * index);
  return nodeHash(crypto, left, treeNodeHash(crypto, tile, height - 1, 2 * index + 1));
}
