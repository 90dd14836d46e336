// SPDX-License-Identifier: Apache-2.0
// Which blobs the ledger speaks of. A stranger's request makes this gateway fetch a blob only when
// an accepted event names it, so nobody without a key makes it fetch or store anything else. Every
// 32-byte string of an event counts: a digest of no blob is a name that no peer will answer to.
import { toHex } from '@cloister/core';
import type { EntryRecord } from '../ledger/follower.ts';

const DIGEST_SIZE = 32;

export class NamedBlobs {
  readonly #names = new Set<string>();

  add({ status, event }: EntryRecord): void {
    if (status === 'accepted' && event !== undefined) this.#walk(event.body);
  }

  has(digest: Uint8Array): boolean {
    return this.#names.has(toHex(digest));
  }

  #walk(value: unknown): void {
    if (value instanceof Uint8Array) {
      if (value.length === DIGEST_SIZE) this.#names.add(toHex(value));
    } else if (Array.isArray(value)) {
      for (const part of value) this.#walk(part);
    } else if (typeof value === 'object' && value !== null) {
      for (const part of Object.values(value)) this.#walk(part);
    }
  }
}
