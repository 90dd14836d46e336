// SPDX-License-Identifier: Apache-2.0
// The port `Ledger` over the simulated network, in the place of the HTTP adapter: appends are tried
// again for a while; new entries come by themselves, and what is missed is asked for.
import type { Ledger, LedgerEntry, LedgerPage } from '@cloister/contract';
import { CodedError, isCoded } from '@cloister/core';
import type { Endpoint } from './endpoint.ts';

const CALL_MS = 350;
const APPEND_MS = 1_200;
const APPEND_TRIES = 3;
/** Without news for so long it asks. */
const QUIET_MS = 700;

export interface News {
  readonly from: number;
  readonly events: readonly Uint8Array[];
}

export class LedgerLink implements Ledger {
  readonly #endpoint: Endpoint;
  /** Entries that came, in order, the first of them at `#at`. */
  #ready: Uint8Array[] = [];
  #at = 0;
  #gap = false;
  #wake = () => {};

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** What the ledger's host says by itself. */
  heard({ from, events }: News): void {
    const end = this.#at + this.#ready.length;
    if (from > end) this.#gap = true;
    else this.#ready.push(...events.slice(end - from));
    this.#wake();
  }

  async append(event: Uint8Array): Promise<{ readonly seq: number }> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#endpoint.call('ledger', 'append', { bytes: event }, APPEND_MS);
      } catch (error) {
        if (!isCoded(error) || error.kind !== 'unavailable' || tries === APPEND_TRIES) throw error;
      }
    }
  }

  async read(from: number, limit: number): Promise<LedgerPage> {
    const { events } = await this.#endpoint.call<News>('ledger', 'get', { from }, CALL_MS);
    return { events: events.slice(0, limit), next: from + Math.min(limit, events.length) };
  }

  async *follow(from: number, signal: AbortSignal): AsyncGenerator<LedgerEntry> {
    this.#at = from;
    this.#ready = [];
    this.#gap = true;
    while (!signal.aborted) {
      const event = this.#ready.shift();
      if (event !== undefined) yield { seq: this.#at++, event };
      else if (this.#gap) await this.#ask();
      else await this.#news();
    }
  }

  async size(): Promise<number> {
    const { size } = await this.#endpoint.call<{ size: number }>('ledger', 'size', {}, CALL_MS);
    return size;
  }

  async close(): Promise<void> {}

  /** Fetches what comes next; when that fails, the next try is a little later. */
  async #ask(): Promise<void> {
    this.#gap = false;
    const from = this.#at;
    try {
      this.heard(await this.#endpoint.call<News>('ledger', 'get', { from }, CALL_MS));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#gap = true;
    }
  }

  /** Until something comes, or it has been quiet for too long. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#endpoint.timers.after(QUIET_MS, () => {
        this.#gap = true;
        resolve();
      });
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
