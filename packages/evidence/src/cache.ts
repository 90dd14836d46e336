// SPDX-License-Identifier: Apache-2.0
// A bounded memory of what verification may remember between calls: signatures that held and
// statements that were parsed. Keys are SHA-256 digests of everything that the remembered fact
// depends on; nothing that depends on the time to judge at is ever kept.
import { type CryptoPort, concat, toHex } from '@cloister/core';

const DEFAULT_ENTRIES = 1024;
const DEFAULT_BYTES = 64 * 1024 * 1024;
/** What a small fact (a key, a verdict) is counted as. */
const SMALL_FACT_BYTES = 512;

interface Entry {
  readonly value: unknown;
  readonly bytes: number;
}

/** Least recently used goes first. Held by the caller: without one, every call starts cold. */
export class EvidenceCache {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /**
   * `entries`: the most facts kept (default 1,024). `bytes`: the most input that kept statements
   * were parsed from (default 64 MiB; their parsed form takes a few times as much).
   */
  constructor(options: { entries?: number; bytes?: number } = {}) {
    this.#maxEntries = options.entries ?? DEFAULT_ENTRIES;
    this.#maxBytes = options.bytes ?? DEFAULT_BYTES;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The fact under `key`, made once. What throws is never kept. `bytes`: what it was made of. */
  async remember<T>(
    key: string,
    make: () => Promise<T> | T,
    bytes: number = SMALL_FACT_BYTES,
  ): Promise<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value as T;
    }
    const value = await make();
    this.#forget(key);
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
    return value;
  }

  #forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** A cache key: a label and the digest of `parts`, each preceded by its length. */
export function factKey(
  crypto: CryptoPort,
  label: string,
  ...parts: readonly Uint8Array[]
): string {
  const framed: Uint8Array[] = [];
  for (const part of parts) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    framed.push(length, part);
  }
  return `${label}:${toHex(crypto.digest('sha256', concat(...framed)))}`;
}
