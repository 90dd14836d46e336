// SPDX-License-Identifier: Apache-2.0
// Gateways as the follower's peers, with bounds of our own: one that stays silent is given
// up after seconds and passed over for a while, so it cannot hold up a run that others can serve.
import type { CheckpointedPeer } from '@cloister/contract';
import type { Timers } from '@cloister/core';
import { attestedError } from './errors.ts';
import { isPassing, within } from './patience.ts';

const ANSWER_MS = 6_000;
const PASSED_OVER_MS = 15_000;

/** `peer`, bounded. */
export function briskPeer(peer: CheckpointedPeer, timers: Timers): CheckpointedPeer {
  let silentUntil = 0;
  const bounded = async <T>(limitMs: number, ask: () => Promise<T>): Promise<T> => {
    if (timers.elapsed() < silentUntil) {
      throw attestedError('timed-out', 'a gateway did not answer a moment ago');
    }
    try {
      return await within('a gateway', { timers, limitMs }, ask());
    } catch (error) {
      const silent = isPassing(error) && error.code.endsWith('timed-out');
      if (silent) silentUntil = timers.elapsed() + PASSED_OVER_MS;
      throw error;
    }
  };
  return {
    entries: (from, options) =>
      bounded(ANSWER_MS + (options?.waitMs ?? 0), () => peer.entries(from, options)),
    checkpoint: (least) => bounded(2 * ANSWER_MS, () => peer.checkpoint(least)),
    handovers: (from) => bounded(ANSWER_MS, () => peer.handovers(from)),
  };
}
