// SPDX-License-Identifier: Apache-2.0
// Follows the ledger: keeps a durable copy of its order, builds the tree over it and folds it.
//
// Invariants
// - An entry is in the local copy before it is in the tree, so the tree of a restarted gateway is
//   never shorter than what its witness has signed.
// - Tree, state and records always speak of the same number of entries.
// - A ledger that answers other bytes for a position that is already here stops the follower for
//   good with `ledger-history-changed`: the copy here is what members have signed.

import {
  type AnyEvent,
  emptyState,
  type FoldState,
  foldEntry,
  type Ledger,
} from '@cloister/contract';
import { CodedError, type CryptoPort, isCoded, toHex } from '@cloister/core';
import { MerkleTree } from '@cloister/tlog';
import type { GatewayErrorCode } from '../errors.ts';

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
  readonly crypto: CryptoPort;
  /** Called after each entry is folded. */
  readonly onEntry?: (record: EntryRecord) => void;
}

const PAGE = 500;

export class Follower {
  readonly state: FoldState = emptyState();
  readonly tree: MerkleTree;
  readonly #options: FollowerOptions;
  readonly #records: EntryRecord[] = [];
  readonly #bySize: { size: number; resolve: () => void }[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #failure: CodedError | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.tree = new MerkleTree(options.crypto);
  }

  get size(): number {
    return this.tree.size;
  }

  /** Why following has ended, if it has. */
  get failure(): CodedError | undefined {
    return this.#failure;
  }

  record(seq: number): EntryRecord | undefined {
    return this.#records[seq];
  }

  /** The first position of an event id. */
  positionOf(key: string): number | undefined {
    return this.#byKey.get(key);
  }

  /** Replays the local copy, checks it against the ledger, then follows in the background. */
  async start(): Promise<void> {
    for (;;) {
      const page = await this.#options.copy.read(this.size, PAGE);
      for (const event of page.events) await this.#take(event);
      if (page.events.length === 0) break;
    }
    this.#running = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    for (const { resolve } of this.#bySize.splice(0)) resolve();
  }

  /** Entries from the local copy. */
  async read(from: number, limit: number): Promise<readonly Uint8Array[]> {
    if (from >= this.size) return [];
    const page = await this.#options.copy.read(from, Math.min(limit, this.size - from));
    return page.events;
  }

  /** Resolves when `size` entries are folded, or after `timeoutMs`; answers whether they are. */
  async reached(size: number, timeoutMs: number): Promise<boolean> {
    if (this.size >= size) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#bySize.push({ size, resolve });
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
    const waiting = this.#bySize.filter((w) => w.size > this.size);
    this.#bySize.splice(0, this.#bySize.length, ...waiting);
    return this.size >= size;
  }

  async #follow(): Promise<void> {
    const { ledger, copy } = this.#options;
    try {
      for await (const { seq, event } of ledger.follow(this.size, this.#stop.signal)) {
        if (seq !== this.size) throw historyChanged(seq);
        await copy.append(event);
        await this.#take(event);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#failure = isCoded(error)
        ? error
        : new CodedError('ledger-follow-failed', 'unavailable', 'following the ledger failed', {
            cause: error,
          });
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { outcome, event } = await foldEntry(this.state, bytes, this.#options.crypto);
    this.tree.append(bytes);
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
    this.#options.onEntry?.(record);
    for (const waiting of this.#bySize.filter((w) => w.size <= this.size)) waiting.resolve();
  }
}

function historyChanged(seq: number): CodedError<GatewayErrorCode> {
  const message = `the ledger answered position ${seq} out of turn: it shows another history than before`;
  return new CodedError('ledger-history-changed', 'verification', message);
}
