// SPDX-License-Identifier: Apache-2.0
// One answer of several who may give it, without waiting for the one who gives none.
import type { Timers } from './ports.ts';

/**
 * Asks in turn, and the next one already when the last takes longer than `stepMs`; the first that
 * answers wins, and the others' signals abort. `peers` are at least one.
 * @throws CodedError the last failure when all failed
 */
export function firstOf<P, T>(
  peers: readonly P[],
  bounds: { readonly timers: Timers; readonly stepMs: number },
  ask: (peer: P, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timers, stepMs } = bounds;
  const decided = new AbortController();
  return new Promise((resolve, reject) => {
    let next = 0;
    let failed = 0;
    let step: (() => void) | undefined;
    const askNext = () => {
      step?.();
      const peer = peers[next++];
      if (peer === undefined) return;
      if (next < peers.length) step = timers.after(stepMs, askNext);
      ask(peer, decided.signal).then(
        (value) => {
          step?.();
          next = peers.length;
          resolve(value);
          decided.abort();
        },
        (error: unknown) => {
          failed += 1;
          if (failed === peers.length) reject(error);
          else askNext();
        },
      );
    };
    askNext();
  });
}
