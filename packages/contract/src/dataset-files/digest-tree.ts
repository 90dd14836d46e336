// SPDX-License-Identifier: Apache-2.0
// The digest tree of an encrypted file: RFC 6962 hashes over chunks of 256 KiB. The dataset event
// has the file's length and root; the leaf hashes are a blob. A reader checks each chunk that it
// touches against the leaves (checked-ranges.ts), and the leaves against the root.
import { type CryptoPort, concat, equal } from '@cloister/core';
import { HASH_SIZE, leafHash, MerkleTree } from '@cloister/tlog';
import { contractError } from '../errors.ts';

/**
 * A column of a row group begins and ends within chunks, which are fetched whole: smaller ones
 * spare a narrow projection a third of its bytes, and cost 32 bytes of leaves each.
 */
export const CHUNK_BYTES = 262_144;

/** Leaf hashes, concatenated, and the root of a file that comes in pieces of CHUNK_BYTES. */
export async function digestTree(
  chunks: AsyncIterable<Uint8Array>,
  crypto: CryptoPort,
): Promise<{ leaves: Uint8Array; root: Uint8Array; length: number }> {
  const leaves: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    leaves.push(leafHash(crypto, chunk));
    length += chunk.length;
  }
  const all = concat(...leaves);
  return { leaves: all, root: rootOf(all, crypto), length };
}

/**
 * Checks leaf hashes against a dataset event's root and length.
 * @throws CodedError `digest-tree-mismatch`
 */
export function checkLeaves(
  leaves: Uint8Array,
  file: { root: Uint8Array; length: number },
  crypto: CryptoPort,
): void {
  const wanted = Math.ceil(file.length / CHUNK_BYTES) * HASH_SIZE;
  if (leaves.length === wanted && equal(rootOf(leaves, crypto), file.root)) return;
  const message = "a file's leaf hashes do not give the root that its dataset event names";
  throw contractError('digest-tree-mismatch', message);
}

function rootOf(leaves: Uint8Array, crypto: CryptoPort): Uint8Array {
  const tree = new MerkleTree(crypto);
  for (let at = 0; at + HASH_SIZE <= leaves.length; at += HASH_SIZE) {
    tree.appendHash(leaves.subarray(at, at + HASH_SIZE));
  }
  return tree.root();
}
