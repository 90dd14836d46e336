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

/** The most chunks that are asked for at once: neighbours that are not here yet. */
const RUN_CHUNKS = 4;
/** The newest are kept: a chunk has the end of one column and the beginning of the next. */
const KEPT_CHUNKS = 32;

/**
 * Reads ranges of a file through its checked leaf hashes; `read` answers bytes [start, end), of one
 * chunk or several neighbours. Of a range, one run of chunks is fetched ahead of the one in use.
 */
export class CheckedRanges {
  readonly size: number;
  readonly #leaves: Uint8Array;
  readonly #crypto: CryptoPort;
  readonly #read: (start: number, end: number) => Promise<Uint8Array>;
  readonly #chunks = new Map<number, Promise<Uint8Array>>();
  /** Of these, the ones that have not come yet. */
  readonly #coming = new Set<number>();
  /** Bytes fetched so far, whole chunks counted. */
  fetched = 0;

  constructor(
    file: { root: Uint8Array; length: number; leaves: Uint8Array },
    read: (start: number, end: number) => Promise<Uint8Array>,
    options: { crypto: CryptoPort },
  ) {
    checkLeaves(file.leaves, file, options.crypto);
    this.size = file.length;
    this.#leaves = file.leaves;
    this.#crypto = options.crypto;
    this.#read = read;
  }

  /** @throws CodedError `chunk-mismatch`, `chunk-short`, and what the reader throws */
  async read(offset: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#slice(offset, length);
    } catch (error) {
      // What is still on its way is of the same source, and not worth waiting for.
      for (const index of this.#coming) this.#chunks.delete(index);
      this.#coming.clear();
      throw error;
    }
  }

  async #slice(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.size);
    if (length <= 0 || end <= offset) return new Uint8Array(0);
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    if (first === last) {
      const at = first * CHUNK_BYTES;
      return (await this.#chunk(first, last)).subarray(offset - at, end - at);
    }
    const out = new Uint8Array(end - offset);
    let begun = first;
    let ahead = this.#ask(first, last);
    for (let index = first; index <= last; index++) {
      if (index === begun) {
        begun = ahead;
        ahead = this.#ask(ahead, last);
      }
      const at = index * CHUNK_BYTES;
      const chunk = await this.#chunk(index, last);
      const part = chunk.subarray(Math.max(offset - at, 0), Math.min(end - at, chunk.length));
      out.set(part, Math.max(at - offset, 0));
    }
    return out;
  }

  #chunk(index: number, last: number): Promise<Uint8Array> {
    if (!this.#chunks.has(index)) this.#ask(index, last);
    return this.#chunks.get(index) as Promise<Uint8Array>;
  }

  /** Asks for the first run at or after `from` that is not here, up to `last`; answers its end. */
  #ask(from: number, last: number): number {
    let first = from;
    while (first <= last && this.#chunks.has(first)) first++;
    let end = first;
    while (end <= last && end < first + RUN_CHUNKS && !this.#chunks.has(end)) end++;
    if (end === first) return end;
    const run = this.#run(first * CHUNK_BYTES, Math.min(end * CHUNK_BYTES, this.size));
    for (let index = first; index < end; index++) {
      const checked = this.#checked(run, first, index);
      this.#chunks.set(index, checked);
      this.#coming.add(index);
      const here = (holds: boolean) => {
        if (this.#chunks.get(index) !== checked) return;
        this.#coming.delete(index);
        if (!holds) this.#chunks.delete(index);
      };
      checked.then(
        () => here(true),
        () => here(false),
      );
    }
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= KEPT_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
    return end;
  }

  async #run(start: number, end: number): Promise<Uint8Array> {
    const bytes = await this.#read(start, end);
    if (bytes.length === end - start) return bytes;
    const message = `${bytes.length} bytes came of an encrypted file, wanted ${end - start}`;
    throw new CodedError<DigestTreeErrorCode>('chunk-short', 'verification', message);
  }

  /** Chunk `index` of a run that begins with `first`, once it is what its owner published. */
  async #checked(run: Promise<Uint8Array>, first: number, index: number): Promise<Uint8Array> {
    const at = (index - first) * CHUNK_BYTES;
    const bytes = (await run).subarray(at, at + CHUNK_BYTES);
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
