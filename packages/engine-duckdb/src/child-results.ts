// SPDX-License-Identifier: Apache-2.0
// What a child hands out: the parts of its results, one after another on a descriptor, each behind
// its length in eight bytes. The child is believed for nothing: more than is allowed, less than it
// said, or an end too early is a failure.
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { runFailed } from './errors.ts';

const LENGTH_BYTES = 8;

/** Reads the results of one child, one after another. */
export class ResultReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(from: Readable) {
    this.#chunks = from[Symbol.asyncIterator]();
  }

  /**
   * Writes the next one to a file that does not exist yet; answers its length.
   * @throws CodedError `engine-run-failed`
   */
  async receive(file: string, mostBytes: number): Promise<number> {
    const bytes = await this.#length();
    if (bytes > BigInt(mostBytes)) throw runFailed();
    const handle = await open(file, 'wx', 0o600);
    try {
      for (let missing = Number(bytes); missing > 0; ) {
        const part = await this.#some(missing);
        await handle.writeFile(part);
        missing -= part.length;
      }
    } finally {
      await handle.close();
    }
    return Number(bytes);
  }

  async #length(): Promise<bigint> {
    const parts: Buffer[] = [];
    for (let missing = LENGTH_BYTES; missing > 0; ) {
      const part = await this.#some(missing);
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts).readBigUInt64LE();
  }

  /** Something that came: at most `most` bytes, one at least. */
  async #some(most: number): Promise<Buffer> {
    if (this.#held.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw runFailed();
      this.#held = next.value;
    }
    const taken = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }
}
