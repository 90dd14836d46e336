// SPDX-License-Identifier: Apache-2.0
// Which blobs the ledger speaks of, and how long each may be. A stranger's request makes this
// gateway fetch a blob only when an accepted event names it, and no more of it than what it is
// named as may have: so nobody without a key makes it fetch or store anything else. The files of a
// dataset are named by a list that its event names, and count once the list is here. Files and
// sealed keys of versions that are retired are named no more, so that what was removed stays away.
import {
  type AnyEvent,
  BLOB_MOST,
  blobsNamed,
  leavesMost,
  parseFileManifest,
} from '@cloister/contract';
import { type BlobStore, isCoded, toHex } from '@cloister/core';
import type { EntryRecord } from '../ledger/follower.ts';

/** A version of a dataset. */
export interface VersionId {
  readonly dataset: Uint8Array;
  readonly version: number;
}

interface Name {
  most: number;
  /** The versions that it is of; undefined where something else names it. */
  of: Map<string, VersionId> | undefined;
}

export class NamedBlobs {
  readonly #names = new Map<string, Name>();
  /** Lists of files that have not been looked into, and of what. */
  readonly #lists = new Map<string, { digest: Uint8Array; of: VersionId[] }>();
  readonly #isRetired: (of: VersionId) => boolean;

  /** `isRetired` says whether nothing reads a version any more. */
  constructor(isRetired: (of: VersionId) => boolean = () => false) {
    this.#isRetired = isRetired;
  }

  add({ status, event }: EntryRecord): void {
    if (status !== 'accepted' || event === undefined) return;
    const sealed = sealedOf(event);
    for (const [digest, most] of blobsNamed(event)) {
      const own = event.kind === 'dataset' && sealed.has(toHex(digest));
      this.#name(digest, most, own ? event.body : undefined);
    }
    if (event.kind !== 'dataset') return;
    const { dataset, version, files } = event.body;
    const key = toHex(files.manifest);
    const list = this.#lists.get(key) ?? { digest: files.manifest, of: [] };
    list.of.push({ dataset, version });
    this.#lists.set(key, list);
  }

  /** The most bytes that the blob may have; undefined: nothing names it. */
  most(digest: Uint8Array): number | undefined {
    const name = this.#names.get(toHex(digest));
    const of = [...(name?.of?.values() ?? [])];
    return of.length > 0 && of.every(this.#isRetired) ? undefined : name?.most;
  }

  /** Looks into a list of files that is here now; any other blob is nothing to it. */
  async cameHere(digest: Uint8Array, blobs: Pick<BlobStore, 'get'>): Promise<void> {
    const list = this.#lists.get(toHex(digest));
    if (list === undefined) return;
    this.#lists.delete(toHex(digest));
    try {
      const files = parseFileManifest(await blobs.get(digest, BLOB_MOST.manifest));
      for (const { blob, leaves, length } of files) {
        for (const of of list.of) {
          this.#name(blob, Math.min(length, BLOB_MOST.whole), of);
          this.#name(leaves, Math.min(leavesMost(length), BLOB_MOST.whole), of);
        }
      }
    } catch (error) {
      // What its owner garbled names nothing.
      if (!isCoded(error)) throw error;
    }
  }

  /** At a start: looks into the lists that are here from before. */
  async lookHere(blobs: Pick<BlobStore, 'get' | 'head'>): Promise<void> {
    for (const { digest } of [...this.#lists.values()]) {
      if ((await blobs.head(digest)) !== undefined) await this.cameHere(digest, blobs);
    }
  }

  /** `of`: a version whose retirement makes an end of it; else it stays. */
  #name(digest: Uint8Array, most: number, of: VersionId | undefined): void {
    const key = toHex(digest);
    const known = this.#names.get(key) ?? { most: 0, of: new Map() };
    known.most = Math.max(most, known.most);
    if (of === undefined) known.of = undefined;
    else known.of?.set(`${toHex(of.dataset)}/${of.version}`, of);
    this.#names.set(key, known);
  }
}

function sealedOf(event: AnyEvent): ReadonlySet<string> {
  if (event.kind !== 'dataset') return new Set();
  return new Set(event.body.columns.map(({ sealed }) => toHex(sealed)));
}
