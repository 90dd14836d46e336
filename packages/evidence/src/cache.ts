// SPDX-License-Identifier: Apache-2.0
// A bounded memory of what verification may remember between calls: signatures that held and
// statements that were parsed. Keys are SHA-256 digests of everything that the remembered fact
// depends on; nothing that depends on the time to judge at is ever kept.
import { type CryptoPort, toHex } from '@cloister/core';

const DEFAULT_ENTRIES = 1024;

/** Least recently used goes first. Held by the caller: without one, every call starts cold. */
export class EvidenceCache {
  readonly #limit: number;
  readonly #entries = new Map<string, unknown>();

  /** `entries`: the most facts kept (default 1,024; each a few kilobytes at most). */
  constructor(options: { entries?: number } = {}) {
    this.#limit = options.entries ?? DEFAULT_ENTRIES;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The fact under `key`, made once. A failure is never kept. */
  async remember<T>(key: string, make: () => Promise<T> | T): Promise<T> {
    if (this.#entries.has(key)) {
      const known = this.#entries.get(key) as T;
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const made = await make();
    this.#entries.set(key, made);
    if (this.#entries.size > this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    return made;
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
  return `${label}:${toHex(crypto.digest('sha256', ...framed))}`;
}
