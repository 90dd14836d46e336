// SPDX-License-Identifier: Apache-2.0
// Memory that pieces of large blobs are read into and sent from. Fresh memory for each costs more
// than reading and sending it.
//
// Invariant: memory serves again only when nothing more is put into it and nothing more of it is
// sent, whichever ends last.
import type { EventEmitter } from 'node:events';

const FREE_MAX = 8;

export class PieceMemory {
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #bytes: number;

  /** @param bytes how long a piece may be */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /**
   * What `read` answers of memory that it is lent.
   * @param response says `close` when nothing more of it is sent, as Node's do
   */
  async lend(
    response: EventEmitter,
    read: (memory: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const memory = this.#free.pop() ?? new Uint8Array(this.#bytes);
    const closed = new Promise((resolve) => response.once('close', resolve));
    const reading = read(memory);
    void Promise.allSettled([reading, closed]).then(() => {
      if (this.#free.length < FREE_MAX) this.#free.push(memory);
    });
    return reading;
  }
}
