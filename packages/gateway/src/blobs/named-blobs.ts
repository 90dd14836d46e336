// SPDX-License-Identifier: Apache-2.0
// Which blobs the ledger speaks of, and how long each may be. A stranger's request makes this
// gateway fetch a blob only when an accepted event names it, and no more of it than what it is
// named as may have: so nobody without a key makes it fetch or store anything else. The files of a
// dataset are named by a list that its event names, and count once the list is here.
import { BLOB_MOST, blobsNamed, leavesMost, parseFileManifest } from '@cloister/contract';
import { type BlobStore, isCoded, toHex } from '@cloister/core';
import type { EntryRecord } from '../ledger/follower.ts';

export class NamedBlobs {
  readonly #most = new Map<string, number>();
  /** Lists of files that have not been looked into. */
  readonly #lists = new Map<string, Uint8Array>();

  add({ status, event }: EntryRecord): void {
    if (status !== 'accepted' || event === undefined) return;
    for (const [digest, most] of blobsNamed(event)) this.#name(digest, most);
    if (event.kind !== 'dataset') return;
    const { manifest } = event.body.files;
    this.#lists.set(toHex(manifest), manifest);
  }

  /** The most bytes that the blob may have; undefined: nothing names it. */
  most(digest: Uint8Array): number | undefined {
    return this.#most.get(toHex(digest));
  }

  /** Looks into a list of files that is here now; any other blob is nothing to it. */
  async cameHere(digest: Uint8Array, blobs: Pick<BlobStore, 'get'>): Promise<void> {
    if (!this.#lists.delete(toHex(digest))) return;
    try {
      const files = parseFileManifest(await blobs.get(digest, BLOB_MOST.manifest));
      for (const { blob, leaves, length } of files) {
        this.#name(blob, Math.min(length, BLOB_MOST.whole));
        this.#name(leaves, Math.min(leavesMost(length), BLOB_MOST.whole));
      }
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

  #name(digest: Uint8Array, most: number): void {
    const key = toHex(digest);
    this.#most.set(key, Math.max(most, this.#most.get(key) ?? 0));
  }
}
