// SPDX-License-Identifier: Apache-2.0
// The digest tree of an encrypted file: RFC 6962 hashes over chunks of 1 MiB. The dataset event has
// the file's length and root; the leaf hashes are a blob. A reader of ranges checks each chunk that
// it touches against the leaves, and the leaves against the root, so no host can swap a byte.
import { CodedError, type CryptoPort, concat, equal } from '@cloister/core';
import { HASH_SIZE, leafHash, MerkleTree } from '@cloister/tlog';

export const CHUNK_BYTES = 1_048_576;

export type DigestTreeErrorCode = 'digest-tree-mismatch' | 'chunk-mismatch' | 'chunk-short';

/** Leaf hashes, concatenated, and the root of a file that `chunks` yields in pieces of 1 MiB. */
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
  throw new CodedError<DigestTreeErrorCode>('digest-tree-mismatch', 'verification', message);
}

/** Reads ranges of a file through its checked leaf hashes; `read` answers bytes [start, end). */
export class CheckedRanges {
  readonly size: number;
  readonly #leaves: Uint8Array;
  readonly #crypto: CryptoPort;
  readonly #read: (start: number, end: number) => Promise<Uint8Array>;
  readonly #chunks = new Map<number, Promise<Uint8Array>>();
  readonly #keep: number;
  /** Bytes fetched so far, whole chunks counted. */
  fetched = 0;

  constructor(
    file: { root: Uint8Array; length: number; leaves: Uint8Array },
    read: (start: number, end: number) => Promise<Uint8Array>,
    options: { crypto: CryptoPort; keepChunks?: number },
  ) {
    checkLeaves(file.leaves, file, options.crypto);
    this.size = file.length;
    this.#leaves = file.leaves;
    this.#crypto = options.crypto;
    this.#read = read;
    this.#keep = options.keepChunks ?? 64;
  }

  /** @throws CodedError `chunk-mismatch`, `chunk-short`, and what the reader throws */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.size);
    if (length <= 0 || end <= offset) return new Uint8Array(0);
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    if (first === last) {
      const at = first * CHUNK_BYTES;
      return (await this.#chunk(first)).subarray(offset - at, end - at);
    }
    const out = new Uint8Array(end - offset);
    for (let index = first; index <= last; index++) {
      const at = index * CHUNK_BYTES;
      const chunk = await this.#chunk(index);
      const part = chunk.subarray(Math.max(offset - at, 0), Math.min(end - at, chunk.length));
      out.set(part, Math.max(at - offset, 0));
    }
    return out;
  }

  #chunk(index: number): Promise<Uint8Array> {
    const known = this.#chunks.get(index);
    if (known !== undefined) return known;
    const fetching = this.#fetch(index);
    this.#chunks.set(index, fetching);
    fetching.catch(() => this.#chunks.delete(index));
    if (this.#chunks.size > this.#keep) {
      const oldest = this.#chunks.keys().next().value;
      if (oldest !== undefined && oldest !== index) this.#chunks.delete(oldest);
    }
    return fetching;
  }

  async #fetch(index: number): Promise<Uint8Array> {
    const start = index * CHUNK_BYTES;
    const end = Math.min(start + CHUNK_BYTES, this.size);
    const bytes = await this.#read(start, end);
    if (bytes.length !== end - start) {
      const message = `chunk ${index} came with ${bytes.length} bytes, wanted ${end - start}`;
      throw new CodedError<DigestTreeErrorCode>('chunk-short', 'verification', message);
    }
    const wanted = this.#leaves.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE);
    if (!equal(leafHash(this.#crypto, bytes), wanted)) {
      const message = `chunk ${index} of an encrypted file is not what its owner published`;
      throw new CodedError<DigestTreeErrorCode>('chunk-mismatch', 'verification', message);
    }
    this.fetched += bytes.length;
    return bytes;
  }
}

function rootOf(leaves: Uint8Array, crypto: CryptoPort): Uint8Array {
  const tree = new MerkleTree(crypto);
  for (let at = 0; at + HASH_SIZE <= leaves.length; at += HASH_SIZE) {
    tree.appendHash(leaves.subarray(at, at + HASH_SIZE));
  }
  return tree.root();
}
