// SPDX-License-Identifier: Apache-2.0
// A bounded memory of small blobs, in front of the gateways': evidence and sealed keys are asked
// for while the witnesses still sign, so that they are here when the worker comes back. Blobs are
// named by their digests, so what was fetched once (and checked then) cannot have changed.
//
// Invariants: never more than `bytes` in all; oldest use goes first; one fetch a digest at a time;
// a failure is never kept.
import { type BlobStore, blobTooLarge, toHex } from '@cloister/core';

const DEFAULT_BYTES = 32 * 1_048_576;
const LARGEST_KEPT = 1_048_576;

export class BlobCache implements BlobStore {
  readonly #behind: BlobStore;
  readonly #limit: number;
  readonly #kept = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #coming = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();
  #bytes = 0;

  constructor(behind: BlobStore, options: { bytes?: number } = {}) {
    this.#behind = behind;
    this.#limit = options.bytes ?? DEFAULT_BYTES;
  }

  put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return this.#behind.put(bytes);
  }

  async get(digest: Uint8Array, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const key = toHex(digest);
    const known = this.#kept.get(key);
    if (known !== undefined) {
      if (known.length > most) {
        throw blobTooLarge(digest, { from: 'the cache', got: known.length, most });
      }
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known.slice();
    }
    const coming = this.#coming.get(`${key} ${most}`) ?? this.#fetch(key, digest, most);
    return (await coming).slice();
  }

  head(digest: Uint8Array): Promise<number | undefined> {
    return this.#behind.head(digest);
  }

  range(...asked: Parameters<BlobStore['range']>): Promise<Uint8Array<ArrayBuffer>> {
    return this.#behind.range(...asked);
  }

  #fetch(key: string, digest: Uint8Array, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const asked = `${key} ${most}`;
    const coming = this.#behind
      .get(digest, most)
      .then((bytes) => {
        this.#keep(key, bytes);
        return bytes;
      })
      .finally(() => this.#coming.delete(asked));
    this.#coming.set(asked, coming);
    return coming;
  }

  #keep(key: string, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#kept.has(key)) return;
    if (bytes.length > LARGEST_KEPT || bytes.length > this.#limit) return;
    this.#kept.set(key, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, held] of this.#kept) {
      if (this.#bytes <= this.#limit) return;
      this.#kept.delete(oldest);
      this.#bytes -= held.length;
    }
  }
}
