// SPDX-License-Identifier: Apache-2.0
// A node's life between requests: one thing again and again until it is told to stop. Trouble that
// lasts is waited for longer and longer, and said once, then now and then.
import type { Clock, Timers } from '@cloister/core';
import { errorFields, type Log } from './log.ts';
import { pause } from './patience.ts';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** How often lasting trouble is logged. */
const REMIND_MS = 30_000;

export interface LifePorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Calls `turn` until the signal aborts. Whatever it throws is logged and it is called again, a
 * fault of ours too: a node that ended there would take its share of the key with it.
 */
export async function keepOn(
  ports: LifePorts,
  signal: AbortSignal,
  turn: () => Promise<void>,
): Promise<void> {
  const { clock, timers, log } = ports;
  let pauseMs = FIRST_PAUSE_MS;
  let said = { code: '', at: 0 };
  while (!signal.aborted) {
    try {
      await turn();
      pauseMs = FIRST_PAUSE_MS;
      said = { code: '', at: 0 };
    } catch (error) {
      if (signal.aborted) return;
      const fields = errorFields(error);
      const at = clock.now();
      if (fields.code !== said.code || at - said.at > REMIND_MS) {
        log.warn('behind', fields);
        said = { code: fields.code, at };
      }
      await pause(timers, pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }
}
