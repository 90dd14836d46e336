// SPDX-License-Identifier: Apache-2.0
// The world outside, as ports: time, randomness and content-addressed blobs. Code that takes them
// as arguments can be simulated; nothing in a protocol reads a global clock or generator.

/** Milliseconds since the Unix epoch. */
export interface Clock {
  now(): number;
}

/** Waiting, apart from the time of day: durations by a clock that never goes back. */
export interface Timers {
  /** Milliseconds since some moment; only differences mean anything. */
  elapsed(): number;
  /** Calls `wake` once after `ms`, unless what it answers is called before. */
  after(ms: number, wake: () => void): () => void;
}

export interface Random {
  bytes(length: number): Uint8Array<ArrayBuffer>;
}

/** Bytes by their SHA-256. Whoever stores them sees only ciphertext or public evidence. */
export interface BlobStore {
  /** Stores and answers the 32-byte digest; durable once it answers. Idempotent. */
  put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * The whole blob, its digest checked. No more than `most` bytes are read: what such a blob may
   * have at most, as its reader knows (contract/blob-bounds.ts).
   * @throws CodedError `blob-not-found`, `blob-digest-mismatch`, `blob-too-large`
   */
  get(digest: Uint8Array, most: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Size in bytes, or undefined when the blob is not here. */
  head(digest: Uint8Array): Promise<number | undefined>;
  /**
   * Bytes [start, end). Not checked against the digest: check them against a digest tree.
   * @param into memory, as long at least, that the answer may be a view of; it is written to until
   *   the answer has come or failed
   */
  range(
    digest: Uint8Array,
    start: number,
    end: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>>;
}

export const systemClock: Clock = { now: () => Date.now() };

export const systemTimers: Timers = {
  elapsed: () => performance.now(),
  after(ms, wake) {
    const timer = setTimeout(wake, ms);
    return () => clearTimeout(timer);
  },
};

/** The runtime's own generator (`crypto.getRandomValues`), in Node and in a browser. */
export const systemRandom: Random = {
  bytes(length) {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 65_536) {
      crypto.getRandomValues(out.subarray(at, Math.min(at + 65_536, length)));
    }
    return out;
  },
};
