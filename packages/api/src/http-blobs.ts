// SPDX-License-Identifier: Apache-2.0
// Blobs of one or several gateways over HTTP: /v1/blobs/<hex>. Whole reads are checked against the
// digest, so any gateway may serve any blob; a range is not checked here (the reader holds a digest
// tree). Where several gateways are named, the next one is asked when one does not have it, and
// already when it takes long: one that takes a request and says nothing costs a moment.
import {
  type BlobStore,
  blobTooLarge,
  type CryptoPort,
  coreError,
  equal,
  firstOf,
  isCoded,
  systemTimers,
  type Timers,
  toHex,
} from '@cloister/core';
import { apiError } from './errors.ts';
import type { HttpJson } from './http-json.ts';

const MAX_BLOB_BYTES = 1024 * 1024 * 1024;
const BLOB_TIMEOUT_MS = 120_000;
/** How long one gateway may take before the next is asked too, and for how many bytes 1 ms more. */
const STEP_MS = 1_500;
const QUICK_BYTES_PER_MS = 10_000;
/** How long it may take in all: a while, and 1 ms more for so many bytes. */
const SMALL_TIMEOUT_MS = 10_000;
const SLOW_BYTES_PER_MS = 100;

/** A BlobStore over the blob endpoints of `peers`; puts go to the first. */
export class HttpBlobs implements BlobStore {
  readonly #peers: readonly HttpJson[];
  readonly #crypto: CryptoPort;
  readonly #timers: Timers;

  constructor(
    peers: readonly HttpJson[],
    crypto: CryptoPort,
    options: { readonly timers?: Timers } = {},
  ) {
    this.#peers = peers;
    this.#crypto = crypto;
    this.#timers = options.timers ?? systemTimers;
  }

  async put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const digest = this.#crypto.digest('sha256', bytes);
    await this.#first(digest, (peer) =>
      peer.bytes({ method: 'PUT', path: pathOf(digest), bytes, timeoutMs: BLOB_TIMEOUT_MS }),
    );
    return digest;
  }

  async get(digest: Uint8Array, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const maxBytes = Math.min(most, MAX_BLOB_BYTES);
    const stepMs = STEP_MS + maxBytes / QUICK_BYTES_PER_MS;
    const timeoutMs = Math.min(SMALL_TIMEOUT_MS + maxBytes / SLOW_BYTES_PER_MS, BLOB_TIMEOUT_MS);
    this.#assertPeers(digest);
    return firstOf(this.#peers, { timers: this.#timers, stepMs }, async (peer, signal) => {
      const request = {
        path: pathOf(digest),
        timeoutMs: Math.ceil(timeoutMs),
        signal,
        maxBytes,
        tooLong: (got: number) => blobTooLarge(digest, { from: peer.base, got, most: maxBytes }),
      };
      const { bytes } = await peer.bytes(request);
      if (equal(this.#crypto.digest('sha256', bytes), digest)) return bytes;
      const message = `${peer.base} answered other bytes than blob ${toHex(digest)}`;
      throw coreError('blob-digest-mismatch', message);
    });
  }

  async head(digest: Uint8Array): Promise<number | undefined> {
    try {
      return await this.#first(digest, async (peer) => {
        const { headers } = await peer.bytes({ method: 'HEAD', path: pathOf(digest) });
        const length = headers.get('content-length') ?? '';
        if (/^\d{1,15}$/.test(length)) return Number(length);
        const message = `${peer.base} told no length of blob ${toHex(digest)}`;
        throw apiError('response-malformed', message);
      });
    } catch (error) {
      if (isCoded(error) && error.kind === 'not-found') return undefined;
      throw error;
    }
  }

  async range(
    digest: Uint8Array,
    start: number,
    end: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (end === start) return new Uint8Array(0);
    return this.#first(digest, async (peer) => {
      const request = { path: pathOf(digest), start, end, into, timeoutMs: BLOB_TIMEOUT_MS };
      const { status, bytes } = await peer.range(request);
      if (status === 206 && bytes.length === end - start) return bytes;
      const got = `${bytes.length} bytes of blob ${toHex(digest)}, wanted ${end - start}`;
      const message = `${peer.base} answered ${got}`;
      throw coreError('blob-range-invalid', message);
    });
  }

  /** One after another: a put goes to one, and a range may have one memory for its answer. */
  async #first<T>(digest: Uint8Array, ask: (peer: HttpJson) => Promise<T>): Promise<T> {
    this.#assertPeers(digest);
    let last: unknown;
    for (const peer of this.#peers) {
      try {
        return await ask(peer);
      } catch (error) {
        if (!isCoded(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  #assertPeers(digest: Uint8Array): void {
    if (this.#peers.length > 0) return;
    const message = `no gateway was named that could have blob ${toHex(digest)}`;
    throw coreError('blob-not-found', message);
  }
}

function pathOf(digest: Uint8Array): string {
  return `/v1/blobs/${toHex(digest)}`;
}
