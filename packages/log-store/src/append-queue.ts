// SPDX-License-Identifier: Apache-2.0
// Appends that wait for the next commit. Bounded in number and bytes, so that a slow disk answers
// `ledger-overloaded` and not by growing without end.
import { logStoreError } from './errors.ts';

/** Most appends and bytes that may wait. */
export const QUEUE_MAX = { events: 20_000, bytes: 64 * 1024 * 1024 } as const;
/** Most appends and bytes in one commit. */
const BATCH_MAX = { events: 4_096, bytes: 8 * 1024 * 1024 } as const;

export interface PendingAppend {
  readonly event: Uint8Array;
  readonly leaf: Uint8Array;
  readonly done: Promise<{ seq: number }>;
  resolve(answer: { seq: number }): void;
  reject(error: unknown): void;
}

export class AppendQueue {
  #waiting: PendingAppend[] = [];
  #bytes = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** @throws CodedError `ledger-overloaded` */
  push(event: Uint8Array, leaf: Uint8Array): PendingAppend {
    const full =
      this.#waiting.length >= QUEUE_MAX.events || this.#bytes + event.length > QUEUE_MAX.bytes;
    if (full) {
      const message = `${this.#waiting.length} appends wait for the disk: try again shortly`;
      throw logStoreError('ledger-overloaded', message);
    }
    let resolve: PendingAppend['resolve'] = () => undefined;
    let reject: PendingAppend['reject'] = () => undefined;
    const done = new Promise<{ seq: number }>((onDone, onError) => {
      [resolve, reject] = [onDone, onError];
    });
    const pending = { event, leaf, done, resolve, reject };
    this.#waiting.push(pending);
    this.#bytes += event.length;
    return pending;
  }

  /** Takes the next batch, in order. */
  take(): PendingAppend[] {
    let bytes = 0;
    let count = 0;
    for (const pending of this.#waiting) {
      if (
        count === BATCH_MAX.events ||
        (count > 0 && bytes + pending.event.length > BATCH_MAX.bytes)
      )
        break;
      bytes += pending.event.length;
      count += 1;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count);
  }
}
