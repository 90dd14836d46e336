// SPDX-License-Identifier: Apache-2.0
// Which blobs the ledger speaks of. A stranger's request makes this gateway fetch a blob only when
// an accepted event names it, so nobody without a key makes it fetch or store anything else. Every
// 32-byte string of an event counts: a digest of no blob is a name that no peer will answer to. The
// files of a dataset are named by a list that its event names, and count once the list is here.
import { parseFileManifest } from '@cloister/contract';
import { type BlobStore, isCoded, toHex } from '@cloister/core';
import type { EntryRecord } from '../ledger/follower.ts';

const DIGEST_SIZE = 32;

export class NamedBlobs {
  readonly #names = new Set<string>();
  /** Lists of files that have not been looked into. */
  readonly #lists = new Map<string, Uint8Array>();

  add({ status, event }: EntryRecord): void {
    if (status !== 'accepted' || event === undefined) return;
    this.#walk(event.body);
    if (event.kind !== 'dataset') return;
    const { manifest } = event.body.files;
    this.#lists.set(toHex(manifest), manifest);
  }

  has(digest: Uint8Array): boolean {
    return this.#names.has(toHex(digest));
  }

  /** Looks into a list of files that is here now; any other blob is nothing to it. */
  async cameHere(digest: Uint8Array, blobs: Pick<BlobStore, 'get'>): Promise<void> {
    if (!this.#lists.delete(toHex(digest))) return;
    try {
      const files = parseFileManifest(await blobs.get(digest));
      for (const { blob, leaves } of files) this.#walk([blob, leaves]);
    } catch (error) {
      // What its owner garbled names nothing.
      if (!isCoded(error)) throw error;
    }
  }

  /** At a start: looks into the lists that are here from before. */
  async lookHere(blobs: Pick<BlobStore, 'get' | 'head'>): Promise<void> {
    for (const digest of [...this.#lists.values()]) {
      if ((await blobs.head(digest)) !== undefined) await this.cameHere(digest, blobs);
    }
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
