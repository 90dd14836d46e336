// SPDX-License-Identifier: Apache-2.0
// One answer of several who may give it, without waiting for the one who gives none.
import { isCoded } from './errors.ts';
import type { Timers } from './ports.ts';

/**
 * Asks in turn, and the next one already when the last takes longer than `stepMs`; the first that
 * answers wins, and the others' signals abort. `peers` are at least one.
 * @throws CodedError the last failure when all failed; at once what is no CodedError
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
    const end = () => {
      step?.();
      next = peers.length;
      decided.abort();
    };
    const askNext = () => {
      step?.();
      const peer = peers[next++];
      if (peer === undefined) return;
      if (next < peers.length) step = timers.after(stepMs, askNext);
      ask(peer, decided.signal).then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          failed += 1;
          // A fault of ours is no answer of a peer's.
          if (isCoded(error) && failed < peers.length) return askNext();
          end();
          reject(error);
        },
      );
    };
    askNext();
  });
}
