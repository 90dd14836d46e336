// SPDX-License-Identifier: Apache-2.0
// A ledger in memory for tests: it counts the rounds in which appends come, and can be told to put
// an entry elsewhere.
import type { Ledger, LedgerEntry } from '@cloister/contract';

export class MemoryLedger implements Ledger {
  readonly events: Uint8Array[];
  rounds = 0;
  #round: Promise<void> | undefined;
  #wake: () => void = () => undefined;
  fault: ((seq: number) => number) | undefined;
  afterEach: (() => void) | undefined;

  constructor(events: readonly Uint8Array[] = []) {
    this.events = [...events];
  }

  async append(event: Uint8Array): Promise<{ seq: number }> {
    const seq = this.events.push(event) - 1;
    this.#wake();
    this.#round ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.rounds += 1;
      this.#round = undefined;
    });
    await this.#round;
    this.afterEach?.();
    return { seq: this.fault?.(seq) ?? seq };
  }

  async read(from: number, limit: number) {
    const events = this.events.slice(from, from + limit);
    return { events, next: from + events.length };
  }

  async *follow(from: number, signal: AbortSignal): AsyncGenerator<LedgerEntry> {
    for (let seq = from; !signal.aborted; seq++) {
      while (seq >= this.events.length && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      const event = this.events[seq];
      if (event !== undefined) yield { seq, event };
    }
  }

  async size(): Promise<number> {
    return this.events.length;
  }

  async close(): Promise<void> {}
}
