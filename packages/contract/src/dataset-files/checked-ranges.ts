// SPDX-License-Identifier: Apache-2.0
// Ranges of a file whose chunks are checked against its digest tree, so no host can swap a byte.
// Chunks are fetched in runs of neighbours, one run ahead of the one in use; the newest are kept.
//
// Invariants: nothing is given out before its chunk's hash has held. Runs are fetched into memory
// that serves again, since fresh memory costs more than hashing it: a run's memory is free once
// none of its chunks is kept or being copied, and never again after a fetch that failed, which may
// still write to it.
import { type CryptoPort, equal } from '@cloister/core';
import { HASH_SIZE, leafHash } from '@cloister/tlog';
import { contractError } from '../errors.ts';
import { CHUNK_BYTES, checkLeaves } from './digest-tree.ts';

/** The most chunks that are asked for at once: neighbours that are not here yet. */
const RUN_CHUNKS = 16;
/** The newest are kept: a chunk has the end of one column and the beginning of the next. */
const KEPT_CHUNKS = 64;

/**
 * Answers bytes [start, end) of a file, of one chunk or several neighbours: in `into`, which is as
 * long at least, or in memory of its own.
 */
export type ReadRun = (
  start: number,
  end: number,
  into: Uint8Array<ArrayBuffer>,
) => Promise<Uint8Array>;

/**
 * Memory that runs are fetched into, for one file after another or several at once. It comes in
 * powers of two of chunks, and what is given back is kept for the next.
 */
export class RunMemory {
  readonly #free = new Map<number, Uint8Array<ArrayBuffer>[]>();

  /** Memory for so many bytes, or more. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    let size = CHUNK_BYTES;
    while (size < bytes) size *= 2;
    return this.#free.get(size)?.pop() ?? new Uint8Array(size);
  }

  give(memory: Uint8Array<ArrayBuffer>): void {
    const others = this.#free.get(memory.length) ?? [];
    others.push(memory);
    this.#free.set(memory.length, others);
  }
}

/** Memory of one run, and how many of its chunks still need it. */
interface Run {
  readonly memory: Uint8Array<ArrayBuffer>;
  needed: number;
  failed: boolean;
}

interface Chunk {
  readonly run: Run;
  readonly bytes: Promise<Uint8Array>;
  coming: boolean;
  /** Copies under way, and one for being kept. */
  uses: number;
}

/** Reads ranges of a file through its checked leaf hashes. */
export class CheckedRanges {
  readonly size: number;
  readonly #leaves: Uint8Array;
  readonly #crypto: CryptoPort;
  readonly #read: ReadRun;
  readonly #chunks = new Map<number, Chunk>();
  readonly #memory: RunMemory;
  /** Bytes of the file fetched so far, in whole chunks, each counted once: what is billed. */
  fetched = 0;
  readonly #counted = new Set<number>();

  /**
   * @param options memory: shared with other files; `close` gives it back
   * @throws CodedError `digest-tree-mismatch`
   */
  constructor(
    file: { root: Uint8Array; length: number; leaves: Uint8Array },
    read: ReadRun,
    options: { readonly crypto: CryptoPort; readonly memory?: RunMemory },
  ) {
    checkLeaves(file.leaves, file, options.crypto);
    this.size = file.length;
    this.#leaves = file.leaves;
    this.#crypto = options.crypto;
    this.#read = read;
    this.#memory = options.memory ?? new RunMemory();
  }

  /** To be called when nothing more is read: what was kept is not. */
  close(): void {
    for (const [index, chunk] of this.#chunks) this.#drop(index, chunk);
  }

  /**
   * At most `length` bytes from `offset`, fewer at the end of the file.
   * @throws CodedError `chunk-mismatch`, `chunk-short`, and what the reader throws
   */
  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    await this.readInto(offset, out);
    return out;
  }

  /** Like `read`, into memory of the caller; answers how many bytes it put there. */
  async readInto(offset: number, target: Uint8Array): Promise<number> {
    try {
      return await this.#copy(offset, target);
    } catch (error) {
      // What is still on its way is of the same source, and not worth waiting for.
      for (const [index, chunk] of this.#chunks) if (chunk.coming) this.#drop(index, chunk);
      throw error;
    }
  }

  async #copy(offset: number, target: Uint8Array): Promise<number> {
    const end = Math.min(offset + target.length, this.size);
    if (end <= offset) return 0;
    const first = Math.floor(offset / CHUNK_BYTES);
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    let begun = first;
    let ahead = this.#ask(first, last);
    for (let index = first; index <= last; index++) {
      if (index === begun) {
        begun = ahead;
        ahead = this.#ask(ahead, last);
      }
      const at = index * CHUNK_BYTES;
      const from = Math.max(offset - at, 0);
      await this.#use(index, last, (chunk) => {
        target.set(chunk.subarray(from, Math.min(end - at, chunk.length)), at + from - offset);
      });
    }
    return end - offset;
  }

  /** Calls `use` with chunk `index`, whose bytes stay as they are for so long. */
  async #use(index: number, last: number, use: (bytes: Uint8Array) => void): Promise<void> {
    if (!this.#chunks.has(index)) this.#ask(index, last);
    const chunk = this.#chunks.get(index) as Chunk;
    chunk.uses += 1;
    try {
      use(await chunk.bytes);
    } finally {
      this.#release(chunk);
    }
  }

  /** Asks for the first run at or after `from` that is not here, up to `last`; answers its end. */
  #ask(from: number, last: number): number {
    let first = from;
    while (first <= last && this.#chunks.has(first)) first++;
    let end = first;
    while (end <= last && end < first + RUN_CHUNKS && !this.#chunks.has(end)) end++;
    if (end === first) return end;
    const [start, stop] = [first * CHUNK_BYTES, Math.min(end * CHUNK_BYTES, this.size)];
    const memory = this.#memory.take(stop - start);
    const run: Run = { memory, needed: end - first, failed: false };
    const coming = this.#run(run, start, stop);
    for (let index = first; index < end; index++) {
      const bytes = this.#checked(coming, first, index);
      const chunk: Chunk = { run, bytes, coming: true, uses: 1 };
      this.#chunks.set(index, chunk);
      const here = () => {
        chunk.coming = false;
      };
      bytes.then(here, () => {
        here();
        this.#drop(index, chunk);
      });
    }
    for (const [index, oldest] of this.#chunks) {
      if (this.#chunks.size <= KEPT_CHUNKS) break;
      this.#drop(index, oldest);
    }
    return end;
  }

  /** A chunk is kept no longer; it may still be in use. */
  #drop(index: number, chunk: Chunk): void {
    if (this.#chunks.get(index) !== chunk) return;
    this.#chunks.delete(index);
    // What has not come yet may be written to for long.
    if (chunk.coming) chunk.run.failed = true;
    this.#release(chunk);
  }

  #release(chunk: Chunk): void {
    chunk.uses -= 1;
    if (chunk.uses > 0) return;
    const { run } = chunk;
    run.needed -= 1;
    if (run.needed === 0 && !run.failed) this.#memory.give(run.memory);
  }

  async #run(run: Run, start: number, end: number): Promise<Uint8Array> {
    try {
      const bytes = await this.#read(start, end, run.memory.subarray(0, end - start));
      if (bytes.length === end - start) return bytes;
      const message = `${bytes.length} bytes came of an encrypted file, wanted ${end - start}`;
      throw contractError('chunk-short', message);
    } catch (error) {
      run.failed = true;
      throw error;
    }
  }

  /** Chunk `index` of a run that begins with `first`, once it is what its owner published. */
  async #checked(run: Promise<Uint8Array>, first: number, index: number): Promise<Uint8Array> {
    const at = (index - first) * CHUNK_BYTES;
    const bytes = (await run).subarray(at, at + CHUNK_BYTES);
    const wanted = this.#leaves.subarray(index * HASH_SIZE, (index + 1) * HASH_SIZE);
    if (!equal(leafHash(this.#crypto, bytes), wanted)) {
      const message = `chunk ${index} of an encrypted file is not what its owner published`;
      throw contractError('chunk-mismatch', message);
    }
    // A layout that has chunks fetched again and again is its owner's, who is paid by the byte.
    if (!this.#counted.has(index)) this.fetched += bytes.length;
    this.#counted.add(index);
    return bytes;
  }
}
