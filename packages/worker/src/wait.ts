// SPDX-License-Identifier: Apache-2.0
// Patience with bounds: try again while others catch up, give up with the last reason.
import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded } from '@cloister/core';
import { workerError } from './errors.ts';

const PAUSE_MS = 40;

/**
 * Calls `attempt` until it answers something else than undefined. Errors of kind `unavailable`,
 * `not-found` and `conflict` are tried again; others pass.
 * @throws CodedError the last such error, or `timed-out`
 */
export async function patiently<T>(
  what: string,
  patienceMs: number,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const until = performance.now() + patienceMs;
  let last: unknown;
  do {
    try {
      const answer = await attempt();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!isCoded(error) || !['unavailable', 'not-found', 'conflict'].includes(error.kind))
        throw error;
      last = error;
    }
    await sleep(PAUSE_MS);
  } while (performance.now() < until);
  throw last ?? workerError('timed-out', 'unavailable', `waited ${patienceMs} ms for ${what}`);
}
