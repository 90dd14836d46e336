// SPDX-License-Identifier: Apache-2.0
// Fetches what is not here from the other gateways, checked against its digest, and keeps it.
// Bounded: few fetches at once, one for each digest however many ask, a time for each.
import { type BlobStore, isCoded, type Timers, toHex } from '@cloister/core';
import { gatewayError } from '../errors.ts';

const FETCHES_MAX = 4;
const QUEUE_MAX = 64;
const FETCH_TIMEOUT_MS = 120_000;

export class BlobRelay {
  readonly #into: BlobStore;
  readonly #from: () => Pick<BlobStore, 'get'>;
  readonly #timers: Timers;
  readonly #timeoutMs: number;
  readonly #running = new Map<string, Promise<boolean>>();
  readonly #queue: (() => void)[] = [];
  #fetching = 0;

  /** `from` answers the peers' stores as one. */
  constructor(options: {
    into: BlobStore;
    from: () => Pick<BlobStore, 'get'>;
    timers: Timers;
    timeoutMs?: number;
  }) {
    this.#into = options.into;
    this.#from = options.from;
    this.#timers = options.timers;
    this.#timeoutMs = options.timeoutMs ?? FETCH_TIMEOUT_MS;
  }

  /**
   * Whether the blob, of `most` bytes at most, is here now.
   * @throws CodedError `gateway-overloaded`, `blob-io-failed`
   */
  fetch(digest: Uint8Array, most: number): Promise<boolean> {
    const key = `${toHex(digest)} ${most}`;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    if (this.#queue.length >= QUEUE_MAX) {
      const message = `${QUEUE_MAX} blobs wait to be fetched from peers: ask again shortly`;
      throw gatewayError('gateway-overloaded', message);
    }
    const fetched = this.#turn(digest, most).finally(() => this.#running.delete(key));
    this.#running.set(key, fetched);
    return fetched;
  }

  async #turn(digest: Uint8Array, most: number): Promise<boolean> {
    if (this.#fetching >= FETCHES_MAX) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else this.#fetching += 1;
    try {
      return await this.#bounded(digest, most);
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#fetching -= 1;
      else next();
    }
  }

  async #bounded(digest: Uint8Array, most: number): Promise<boolean> {
    const late = new AbortController();
    let cancel = () => {};
    const timeout = new Promise<false>((resolve) => {
      cancel = this.#timers.after(this.#timeoutMs, () => {
        late.abort();
        resolve(false);
      });
    });
    try {
      return await Promise.race([this.#fetch(digest, most, late.signal), timeout]);
    } finally {
      cancel();
    }
  }

  async #fetch(digest: Uint8Array, most: number, late: AbortSignal): Promise<boolean> {
    let bytes: Uint8Array;
    try {
      bytes = await this.#from().get(digest, most);
    } catch (error) {
      if (!isCoded(error)) throw error;
      return false;
    }
    if (late.aborted) return false;
    // What a peer answers is stored under the digest that it has, whoever sent it.
    return toHex(await this.#into.put(bytes)) === toHex(digest);
  }
}

/** Whole blobs from here, and from the others where they are not here. */
export function everywhere(
  local: BlobStore,
  fetch: (digest: Uint8Array, most: number) => Promise<boolean>,
): Pick<BlobStore, 'get'> {
  return {
    async get(digest, most) {
      if ((await local.head(digest)) === undefined) await fetch(digest, most);
      return local.get(digest, most);
    },
  };
}
