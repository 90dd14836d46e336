// SPDX-License-Identifier: Apache-2.0
// A gateway's disk. What was acknowledged as durable is there after a crash; of what was on its way
// some may be, in order, as the seed has it. The order's copy, the witness's memory, the vault.
import type { Ledger, LedgerEntry } from '@cloister/contract';
import type { Timers } from '@cloister/core';
import type { NoteStore, Vault, VaultEntry, WitnessMemory } from '@cloister/gateway/protocol';

/** How long it takes until something is durable. */
const SYNC_MS = 1;

export class Disk {
  readonly vaulted: VaultEntry[] = [];
  readonly entries: Uint8Array[] = [];
  witnessBegun = false;
  witnessFresh = false;
  #witness: Uint8Array | undefined;
  readonly #notes = new Map<number, string>();
  /** What is not durable yet. */
  #writing: Uint8Array[] = [];
  #saving: Uint8Array | undefined;
  #sync: Promise<void> | undefined;

  /** Whoever wrote is gone. */
  crash(choose: () => number): void {
    const kept = Math.floor(choose() * (this.#writing.length + 1));
    this.entries.push(...this.#writing.slice(0, kept));
    if (choose() < 0.5) this.#witness = this.#saving ?? this.#witness;
    this.#writing = [];
    this.#saving = undefined;
    this.#sync = undefined;
  }

  /** The memory of an old witness key is put aside; the new one's begins. */
  takeKey(): void {
    this.#witness = undefined;
    this.#saving = undefined;
    this.witnessBegun = false;
    this.witnessFresh = true;
  }

  vault(): Vault {
    return {
      put: async (entry) => {
        this.vaulted.push(entry);
      },
      all: async () => [...this.vaulted],
    };
  }

  get notes(): NoteStore {
    return {
      read: async (version) => this.#notes.get(version),
      write: async (version, note) => void this.#notes.set(version, note),
    };
  }

  memory(timers: Timers): WitnessMemory {
    return {
      path: 'witness',
      store: {
        load: async () => this.#witness,
        save: async (bytes) => {
          this.#saving = bytes;
          await passed(timers);
          this.#witness = bytes;
          this.#saving = undefined;
        },
      },
      markBegun: async () => {
        await passed(timers);
        this.witnessBegun = true;
        this.witnessFresh = false;
      },
    };
  }

  /** The local copy of the order: entries that come together are durable together. */
  copy(timers: Timers): Ledger {
    const sync = async () => {
      await passed(timers);
      this.entries.push(...this.#writing);
      this.#writing = [];
      this.#sync = undefined;
    };
    return {
      append: async (event) => {
        const seq = this.entries.length + this.#writing.push(event) - 1;
        this.#sync ??= sync();
        await this.#sync;
        return { seq };
      },
      read: async (from, limit) => {
        const events = this.entries.slice(from, from + limit);
        return { events, next: from + events.length };
      },
      // A copy is read and appended to, never followed.
      follow: (): AsyncIterable<LedgerEntry> => {
        throw new Error('nobody follows a copy');
      },
      size: async () => this.entries.length,
      close: async () => {},
    };
  }
}

function passed(timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    timers.after(SYNC_MS, resolve);
  });
}
