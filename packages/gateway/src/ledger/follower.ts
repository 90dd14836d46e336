// SPDX-License-Identifier: Apache-2.0
// Follows the ledger: keeps a durable copy of its order, builds the tree over it and folds it.
//
// Invariants
// - An entry is in the local copy before it is in the tree, so the tree of a restarted gateway is
//   never shorter than what its witness has signed.
// - Tree, state and records always speak of the same number of entries.
// - A ledger that answers other bytes for a position that is already here, or fewer entries than
//   are here, stops the follower for good with `ledger-history-changed`: the copy here is what
//   members have signed. So does a copy that puts an entry elsewhere.
// - Entries that come together are made durable together: one sync for a page, not for an event.

import {
  type Admission,
  type AnyEvent,
  Archive,
  admit,
  type CharterBody,
  type Crossing,
  emptyState,
  type FoldState,
  foldEntry,
  type Ledger,
  type LedgerEntry,
  witnessesChange,
} from '@cloister/contract';
import { type CodedError, type CryptoPort, isCoded, type Timers, toHex } from '@cloister/core';
import { logStoreError } from '@cloister/log-store';
import { MerkleTree } from '@cloister/tlog';
import { gatewayError } from '../errors.ts';

/** What became of one entry. */
export interface EntryRecord {
  readonly seq: number;
  readonly size: number;
  readonly status: 'accepted' | 'void';
  readonly code?: string;
  readonly sentence?: string;
  /** Absent when the bytes are no event. */
  readonly event?: AnyEvent;
}

export interface FollowerOptions {
  /** The ledger whose order is followed. */
  readonly ledger: Ledger;
  /** The durable local copy; entries in it are replayed first. */
  readonly copy: Ledger;
  readonly genesis: Uint8Array;
  readonly crypto: CryptoPort;
  readonly timers: Timers;
  /** `admit` where absent. */
  readonly admission?: Admission;
  /** Resolves after whatever is ready now; an immediate of Node's where absent. */
  readonly soon?: () => Promise<void>;
  /** Called after each entry is folded. */
  readonly onEntry?: (record: EntryRecord, state: FoldState) => void;
}

const PAGE = 500;
/** Most entries that are made durable with one sync. */
const BATCH_MAX = 500;
const RETRY_MS = 200;

export class Follower {
  readonly state: FoldState;
  /** What the state has forgotten. */
  readonly archive = new Archive();
  readonly tree: MerkleTree;
  readonly #options: FollowerOptions;
  /** The charters that were in force, oldest first, and the positions that made them so. */
  readonly charters: { readonly body: CharterBody; readonly seq: number }[] = [];
  readonly #records: EntryRecord[] = [];
  readonly #waiting = new Set<{ size: number; resolve: () => void }>();
  readonly #byKey = new Map<string, number>();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failure: CodedError | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.state = emptyState(options.genesis);
    this.tree = new MerkleTree(options.crypto);
  }

  get size(): number {
    return this.tree.size;
  }

  /** Why following has ended, if it has. */
  get failure(): CodedError | undefined {
    return this.#failure;
  }

  /** Where the witnesses changed, oldest first. */
  get crossings(): Crossing[] {
    return this.charters.slice(1).flatMap(({ body: after, seq }, i) => {
      const before = this.charters[i]?.body;
      return before !== undefined && witnessesChange(before, after) ? [{ before, after, seq }] : [];
    });
  }

  record(seq: number): EntryRecord | undefined {
    return this.#records[seq];
  }

  /** The first position of an event id. */
  positionOf(key: string): number | undefined {
    return this.#byKey.get(key);
  }

  /** Takes in what the local copy holds. Once, before `start`. */
  async replay(): Promise<void> {
    for (;;) {
      const page = await this.#options.copy.read(this.size, PAGE);
      for (const event of page.events) await this.#take(event);
      if (page.events.length === 0) return;
    }
  }

  /** Follows in the background, from where the copy ends. */
  start(): void {
    this.#running = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Entries from the local copy. */
  async read(from: number, limit: number): Promise<readonly Uint8Array[]> {
    if (from >= this.size) return [];
    const page = await this.#options.copy.read(from, Math.min(limit, this.size - from));
    return page.events;
  }

  /** Resolves when `size` entries are folded, or after `timeoutMs`; answers whether they are. */
  async reached(size: number, timeoutMs: number): Promise<boolean> {
    if (this.size >= size || this.#stop.signal.aborted) return this.size >= size;
    let cancel = () => {};
    await new Promise<void>((resolve) => {
      const waiter = { size, resolve };
      this.#waiting.add(waiter);
      cancel = this.#options.timers.after(timeoutMs, () => {
        this.#waiting.delete(waiter);
        resolve();
      });
    });
    cancel();
    return this.size >= size;
  }

  async #follow(): Promise<void> {
    const { ledger, soon = immediate } = this.#options;
    const signal = this.#stop.signal;
    try {
      await this.#checkLength();
      if (signal.aborted) return;
      const entries = ledger.follow(this.size, signal);
      for await (const batch of batches(entries, soon)) await this.#keep(batch);
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(
        isCoded(error)
          ? error
          : gatewayError('ledger-follow-failed', 'following the ledger failed', {
              cause: error,
            }),
      );
    }
  }

  /** A ledger that has fewer entries than the copy here has lost what was signed. */
  async #checkLength(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && this.size > 0) {
      try {
        const size = await Promise.race([this.#options.ledger.size(), aborted(signal)]);
        if (size === undefined) return;
        if (size < this.size) throw historyChanged(size, `${size} entries, ${this.size} are here`);
        return;
      } catch (error) {
        if (!isCoded(error) || error.kind !== 'unavailable') throw error;
        await Promise.race([this.#pause(RETRY_MS), aborted(signal)]);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(ms, resolve);
    });
  }

  /** Makes a batch durable, then takes it into tree and state. */
  async #keep(batch: readonly LedgerEntry[]): Promise<void> {
    batch.forEach(({ seq }, i) => {
      if (seq !== this.size + i) throw historyChanged(seq, `position ${seq} out of turn`);
    });
    const kept = await Promise.all(batch.map(({ event }) => this.#options.copy.append(event)));
    for (const [i, { seq, event }] of batch.entries()) {
      const at = kept[i]?.seq;
      if (at !== seq) throw historyChanged(seq, `position ${seq}, which is ${at} in the copy here`);
      await this.#take(event);
    }
  }

  #fail(failure: CodedError): void {
    this.#failure = failure;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { crypto, admission = admit } = this.#options;
    const before = this.state.charter;
    const { outcome, event } = await foldEntry(this.state, bytes, crypto, admission);
    this.archive.take(this.state);
    this.tree.append(bytes);
    const { charter } = this.state;
    if (charter !== null && charter !== before) {
      this.charters.push({ body: charter, seq: outcome.seq });
    }
    const record: EntryRecord = {
      seq: outcome.seq,
      size: bytes.length,
      status: outcome.status,
      ...(outcome.status === 'void' ? { code: outcome.code, sentence: outcome.sentence } : {}),
      ...(event === undefined ? {} : { event }),
    };
    this.#records.push(record);
    if (event !== undefined && !this.#byKey.has(toHex(event.id)))
      this.#byKey.set(toHex(event.id), outcome.seq);
    this.#options.onEntry?.(record, this.state);
    for (const waiter of this.#waiting) {
      if (waiter.size > this.size) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }
}

/** What is there already comes together; nobody waits for more than the first. */
async function* batches(
  entries: AsyncIterable<LedgerEntry>,
  soon: () => Promise<void>,
): AsyncGenerator<LedgerEntry[]> {
  const source = entries[Symbol.asyncIterator]();
  let next = source.next();
  try {
    for (;;) {
      const first = await next;
      if (first.done === true) return;
      const batch = [first.value];
      let ended = false;
      for (;;) {
        next = source.next();
        // Whoever is busy with this batch hears of a failure with the next one.
        next.catch(() => undefined);
        if (batch.length >= BATCH_MAX) break;
        const ready = await Promise.race([next.catch(() => undefined), soon()]);
        if (ready === undefined) break;
        ended = ready.done === true;
        if (ready.done === true) break;
        batch.push(ready.value);
      }
      yield batch;
      if (ended) return;
    }
  } finally {
    void source.return?.().catch(() => undefined);
  }
}

function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function historyChanged(seq: number, shown: string): CodedError {
  const message = `the ledger shows ${shown}: another history than before`;
  return logStoreError('ledger-history-changed', message, { details: { seq } });
}
