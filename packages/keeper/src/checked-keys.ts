// SPDX-License-Identifier: Apache-2.0
// Sealed keys whose pi has been verified, remembered. Half of what a partial opening costs is pi,
// and pi is about public bytes only: it can be verified while the witnesses still sign, and once is
// enough. What is remembered is no secret and opens nothing; points are computed each time.
//
// Invariants: a key counts as checked only under the label that it was checked over
// (CheckedSealedKey); never more than `most` are kept; a failure is never kept.
import { BLOB_MOST } from '@cloister/contract';
import { type BlobStore, toHex } from '@cloister/core';
import { CheckedSealedKey } from '@cloister/threshold';
import { opensslCurve } from '@cloister/threshold/node';

const MOST = 8_192;

export class CheckedKeys {
  readonly #most: number;
  readonly #kept = new Map<string, CheckedSealedKey>();

  constructor(options: { most?: number } = {}) {
    this.#most = options.most ?? MOST;
  }

  /** By the digest of the sealed key's blob; whether it fits a label is its own to say. */
  get(digest: Uint8Array): CheckedSealedKey | undefined {
    return this.#kept.get(toHex(digest));
  }

  /**
   * Fetches and verifies one key, unless it is known, and lets other work go first.
   * @throws CodedError those of the store and of pi
   */
  async prepare(
    blobs: Pick<BlobStore, 'get'>,
    digest: Uint8Array,
    label: Uint8Array,
  ): Promise<void> {
    const key = toHex(digest);
    if (this.#kept.get(key)?.under(label) !== undefined) return;
    const sealed = await blobs.get(digest, BLOB_MOST.sealedKey);
    await new Promise((resolve) => setImmediate(resolve));
    this.#kept.delete(key);
    this.#kept.set(key, new CheckedSealedKey({ sealed, label, curve: opensslCurve }));
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > this.#most && oldest !== undefined) this.#kept.delete(oldest);
  }
}
