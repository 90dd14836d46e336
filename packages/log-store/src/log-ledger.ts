// SPDX-License-Identifier: Apache-2.0
// The embedded ledger: a tile log on plain files.
//
//   <folder>/entries.log   every event, in order; the only file that matters
//   <folder>/checkpoint    size and root, a moment behind what is acknowledged
//   <folder>/tile/...      full tiles of hashes (C2SP tlog-tiles)
//   <folder>/lock          the process that writes
//
// Invariants
// - An append is acknowledged only after its record was written and the file synced. Appends that
//   arrive while one sync runs share the next (group commit).
// - Readers see acknowledged events only.
// - After a failed write or sync nothing in the file past the last acknowledged record is trusted:
//   the file is opened anew, cut back to that record and synced before anything else is written.
//   A sync is never simply repeated, because the kernel may have dropped the pages.
// - On opening, all events are hashed again and compared with the checkpoint and every full tile. A
//   record that is not whole may only be beyond the checkpoint; there it is a torn tail, is cut
//   off, and was never acknowledged.
// - The derived files may lag or be missing, never lie: one that differs refuses the opening.
//
// BUG: rot in records that were acknowledged in the instants before a crash, before the checkpoint
// caught up, looks like a torn tail here. Gateways and witnesses notice, by their own heads.

import type { Ledger, LedgerEntry, LedgerPage } from '@cloister/contract';
import { type CryptoPort, toHex } from '@cloister/core';
import {
  formatBundle,
  type HashTile,
  leafHash,
  type MerkleTree,
  type TileId,
  type TreeHead,
} from '@cloister/tlog';
import { AppendQueue, type PendingAppend } from './append-queue.ts';
import { checkEvent, checkRange, PAGE_MAX } from './bounds.ts';
import { type FolderContext, writeCheckpoint, writeTiles } from './checkpoint-file.ts';
import { formatRecord, parseRecord, RECORD_OVERHEAD } from './entries-file.ts';
import { logStoreError } from './errors.ts';
import type { LogFile, LogFs } from './log-fs.ts';
import { NewEvents } from './new-events.ts';
import { entriesPath, ioCoded, type Opened, openFolder, type Recovery } from './open-folder.ts';

export interface LogLedgerOptions {
  readonly folder: string;
  /** The log's origin, from `logOrigin(genesis)`; a folder belongs to one for life. */
  readonly origin: string;
  /**
   * How many of the newest events an append of equal bytes is matched with; it then answers their
   * position and appends nothing. 0 if not given: every append is one more event.
   */
  readonly repeatWindow?: number;
  /** Most bytes of entries.log; 1 TiB if not given. */
  readonly bytesMax?: number;
  readonly crypto?: CryptoPort;
  readonly fs?: LogFs;
  /** Told when a derived file could not be written; appends go on. */
  readonly onWarning?: (error: unknown) => void;
}

/** The ledger port over files in one folder, for one process at a time. */
export class LogLedger implements Ledger {
  readonly #context: FolderContext;
  readonly #options: LogLedgerOptions;
  readonly #unlock: () => Promise<void>;
  readonly #queue = new AppendQueue();
  readonly #fresh = new NewEvents();
  /** Leaf hash (hex) of the newest events, and of those in the queue, to their outcome. */
  readonly #repeatWindow: number;
  readonly #recent = new Map<string, Promise<{ seq: number }>>();
  readonly #tree: MerkleTree;
  /** Where each record begins; one more than there are events. */
  readonly #offsets: number[];
  #file: LogFile;
  #broken = false;
  #committing: Promise<void> | undefined;
  #deriving: Promise<void> | undefined;
  #checkpointed = 0;
  /** Full tiles that are not on the disk yet. */
  readonly #tiles: HashTile[] = [];
  #closed: Promise<void> | undefined;
  readonly recovery: Recovery;

  private constructor(options: LogLedgerOptions, opened: Opened) {
    this.#options = options;
    this.#context = opened.context;
    this.#unlock = opened.unlock;
    this.#file = opened.file;
    this.#tree = opened.tree;
    this.#offsets = opened.offsets;
    this.recovery = opened.recovery;
    this.#checkpointed = opened.checkpointed;
    this.#repeatWindow = options.repeatWindow ?? 0;
    for (
      let seq = Math.max(0, this.#tree.size - this.#repeatWindow);
      seq < this.#tree.size;
      seq++
    ) {
      this.#remember(this.#tree.leaf(seq), Promise.resolve({ seq }));
    }
  }

  /**
   * Opens or makes the ledger in a folder, checking everything in it.
   * @throws CodedError `ledger-locked`, `ledger-format-unknown`, `ledger-origin-mismatch`,
   * `ledger-checkpoint-damaged`, `ledger-acknowledged-lost`, `ledger-history-changed`,
   * `ledger-tile-damaged`, `ledger-io-failed`
   */
  static async open(options: LogLedgerOptions): Promise<LogLedger> {
    return new LogLedger(options, await ioCoded('open', () => openFolder(options)));
  }

  get origin(): string {
    return this.#context.origin;
  }

  /** The newest acknowledged head, or the one there was at `size`. */
  head(size: number = this.#tree.size): TreeHead {
    return this.#tree.head(size);
  }

  append(event: Uint8Array): Promise<{ readonly seq: number }> {
    try {
      return this.#enqueue(event);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #enqueue(event: Uint8Array): Promise<{ readonly seq: number }> {
    if (this.#closed !== undefined) throw closed();
    checkEvent(event);
    const copy = event.slice();
    const leaf = leafHash(this.#context.crypto, copy);
    const known = this.#recent.get(toHex(leaf));
    if (known !== undefined) return known;
    const pending = this.#queue.push(copy, leaf);
    this.#remember(leaf, pending.done);
    this.#committing ??= this.#commitAll();
    return pending.done;
  }

  #remember(leaf: Uint8Array, outcome: Promise<{ seq: number }>): void {
    if (this.#repeatWindow === 0) return;
    const name = toHex(leaf);
    this.#recent.set(name, outcome);
    outcome.catch(() => this.#recent.delete(name));
    if (this.#recent.size <= this.#repeatWindow) return;
    const oldest = this.#recent.keys().next().value;
    if (oldest !== undefined) this.#recent.delete(oldest);
  }

  async #commitAll(): Promise<void> {
    // One turn of the event loop, so that appends made together are committed together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.take();
      try {
        await this.#commit(batch);
      } catch (error) {
        for (const pending of batch) pending.reject(error);
      }
    }
    // In the same step as the last look at the queue: an append after it begins anew.
    this.#committing = undefined;
  }

  async #commit(batch: readonly PendingAppend[]): Promise<void> {
    const { crypto } = this.#context;
    const start = this.#offsets.at(-1) as number;
    const first = this.#tree.size;
    const records = batch.map((pending, i) => formatRecord(crypto, first + i, pending.event));
    const bytes = Buffer.concat(records);
    if (start + bytes.length > (this.#options.bytesMax ?? 2 ** 40)) {
      const message = 'the ledger has reached its size limit: raise bytesMax';
      throw logStoreError('ledger-full', message);
    }
    await ioCoded('write', async () => {
      if (this.#broken) await this.#repair();
      this.#broken = true;
      await this.#file.write(bytes, start);
      await this.#file.sync();
      this.#broken = false;
    });
    let end = start;
    batch.forEach((pending, i) => {
      this.#tree.appendHash(pending.leaf);
      end += (records[i] as Uint8Array).length;
      this.#offsets.push(end);
    });
    batch.forEach((pending, i) => {
      pending.resolve({ seq: first + i });
    });
    this.#fresh.announce();
    this.#deriving ??= this.#derive();
  }

  /** After a failed write: a new descriptor, cut back to what was acknowledged, synced. */
  async #repair(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    this.#file = await this.#context.fs.open(entriesPath(this.#context.folder));
    await this.#file.truncate(this.#offsets.at(-1) as number);
    await this.#file.sync();
  }

  /** Writes checkpoint and tiles in the background, one round at a time. */
  async #derive(): Promise<void> {
    const { fs, folder, origin } = this.#context;
    try {
      while (this.#checkpointed < this.#tree.size) {
        const head = this.#tree.head();
        await writeCheckpoint(fs, folder, { origin, ...head });
        this.#checkpointed = head.size;
        this.#tiles.push(...this.#tree.take());
        for (let tile = this.#tiles[0]; tile !== undefined; tile = this.#tiles[0]) {
          await writeTiles(fs, folder, [tile]);
          this.#tiles.shift();
        }
      }
    } catch (error) {
      this.#options.onWarning?.(error);
    }
    this.#deriving = undefined;
  }

  async read(from: number, limit: number): Promise<LedgerPage> {
    checkRange(from, limit);
    if (this.#closed !== undefined) throw closed();
    const start = this.#offsets[from];
    if (start === undefined || from >= this.#tree.size) return { events: [], next: from };
    let next = Math.min(this.#tree.size, from + Math.min(limit, PAGE_MAX.events));
    while (next > from + 1 && (this.#offsets[next] as number) - start > PAGE_MAX.bytes) next -= 1;
    const length = (this.#offsets[next] as number) - start;
    const bytes = await ioCoded('read', () => this.#file.read(length, start));
    const events: Uint8Array[] = [];
    for (let seq = from; seq < next; seq++) {
      const at = (this.#offsets[seq] as number) - start;
      const event = parseRecord(this.#context.crypto, seq, bytes.subarray(at));
      if (event === undefined || at + event.length + RECORD_OVERHEAD > length) {
        throw damagedRecord(seq);
      }
      events.push(event);
    }
    return { events, next };
  }

  async *follow(from: number, signal: AbortSignal): AsyncGenerator<LedgerEntry> {
    let at = from;
    while (!signal.aborted) {
      const page = await this.read(at, PAGE_MAX.events);
      for (const event of page.events) {
        if (signal.aborted) return;
        yield { seq: at, event };
        at += 1;
      }
      if (page.events.length === 0) await this.waitFor(at, signal);
    }
  }

  /** Waits until there is an event at position `seq`, `signal` aborts, or the ledger closes. */
  async waitFor(seq: number, signal: AbortSignal): Promise<void> {
    while (this.#tree.size <= seq && !signal.aborted && this.#closed === undefined) {
      await this.#fresh.wait(signal);
    }
  }

  async size(): Promise<number> {
    return this.#tree.size;
  }

  /** A tile of hashes, or a bundle of entries made from entries.log. @throws `tile-not-found` */
  async readTile(id: TileId): Promise<Uint8Array> {
    if (id.level !== 'entries') return this.#tree.readTile(id);
    await this.#tree.readTile({ ...id, level: 0 });
    const events: Uint8Array[] = [];
    const end = id.index * 256 + id.width;
    for (let at = id.index * 256; at < end; ) {
      const page = await this.read(at, end - at);
      events.push(...page.events);
      at = page.next;
    }
    return formatBundle(events);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#fresh.announce();
    await this.#committing;
    await this.#deriving;
    await this.#derive();
    await this.#file.close().catch(() => undefined);
    await this.#unlock();
  }
}

function closed(): Error {
  return logStoreError('ledger-closed', 'the ledger is closed');
}

function damagedRecord(seq: number): Error {
  const message = `acknowledged event ${seq} is damaged on the disk: restore a gateway's copy`;
  return logStoreError('ledger-damaged', message, { details: { seq } });
}
