// SPDX-License-Identifier: Apache-2.0
// Waiting with bounds: a pause that an abort ends, patience that gives up with the last reason, and
// trouble that is waited for longer and longer while it lasts.

import { errorFields, type Log } from '@cloister/attested';
import { type Clock, CodedError, type Timers } from '@cloister/core';
import { keeperError } from './errors.ts';

export const RETRY_MS = 100;
const LONGEST_RETRY_MS = 2_000;
/** How often lasting trouble is logged. */
const REMIND_MS = 30_000;

/** Resolves after `ms`, or at once when the signal aborts. */
export function sleep(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timers.after(ms, done);
    signal.addEventListener('abort', done);
  });
}

/**
 * Repeats `attempt` until it answers true; coded errors are tried again.
 * @throws CodedError `ledger-unreachable`, with the last error as its cause
 */
export async function patiently(
  what: string,
  bounds: { readonly timers: Timers; readonly patienceMs: number; readonly signal: AbortSignal },
  attempt: () => Promise<boolean>,
): Promise<void> {
  const { timers, patienceMs, signal } = bounds;
  const until = timers.elapsed() + patienceMs;
  let last: unknown;
  while (!signal.aborted) {
    try {
      if (await attempt()) return;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      last = error;
    }
    if (timers.elapsed() >= until) break;
    await sleep(timers, RETRY_MS, signal);
  }
  const why = last === undefined ? '' : `: ${errorFields(last).message}`;
  const message = `gave up waiting for ${what}${why}`;
  throw keeperError('ledger-unreachable', 'unavailable', message, { cause: last });
}

/** Trouble that lasts is waited for longer and longer, and said once, then now and then. */
export class Trouble {
  readonly #ports: { readonly clock: Clock; readonly log: Log };
  #pause = RETRY_MS;
  #said = { code: '', at: 0 };

  constructor(ports: { readonly clock: Clock; readonly log: Log }) {
    this.#ports = ports;
  }

  over(): void {
    this.#pause = RETRY_MS;
    this.#said = { code: '', at: 0 };
  }

  /** Milliseconds to wait before trying again. */
  pauseMs(error: unknown): number {
    const fields = errorFields(error);
    const at = this.#ports.clock.now();
    if (fields.code !== this.#said.code || at - this.#said.at > REMIND_MS) {
      this.#ports.log.warn('behind', fields);
      this.#said = { code: fields.code, at };
    }
    const pause = this.#pause;
    this.#pause = Math.min(2 * pause, LONGEST_RETRY_MS);
    return pause;
  }
}
