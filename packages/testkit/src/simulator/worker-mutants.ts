// SPDX-License-Identifier: Apache-2.0
// The guard `usage-receipt` off: a worker that takes a gateway's word for its usage record.
// The guard `result-takers` off: one that gives a result to all or to none.
// The guard `answer-receipt` off: one that takes receipts unseen.
import type { FoldState, Follower, Run } from '@cloister/contract';
import { type BlobStore, type CryptoPort, toHex } from '@cloister/core';
import type { Stage } from './stage.ts';

/** Under which the receipts hold that no keeper signed. */
export function trusting({ shared, unsigned }: Stage): CryptoPort {
  const { crypto } = shared;
  return {
    ...crypto,
    verifyEd25519: async (key, data, signature) =>
      unsigned.has(toHex(signature)) || crypto.verifyEd25519(key, data, signature),
  };
}

/** Each gateway's blobs, but a result is stored when all have taken it. */
export function allOrNone({ shared, results }: Stage, each: readonly BlobStore[]): BlobStore[] {
  const isResult = (bytes: Uint8Array) => results.has(toHex(shared.crypto.digest('sha256', bytes)));
  return each.map((store) => ({
    ...store,
    put: async (bytes) => {
      if (isResult(bytes)) await Promise.all(each.map((other) => other.put(bytes)));
      return store.put(bytes);
    },
  }));
}

/** The follower, but the run has its usage record once `said` answers an event's id. */
export function believing(
  follower: Follower,
  run: string,
  said: () => string | undefined,
): Follower {
  const recorded = (known: Run | undefined): Run | undefined => {
    const event = said();
    if (known === undefined || known.usage !== null || event === undefined) return known;
    const usage = { event, seq: 0, at: 0 } as unknown as Run['usage'];
    return { ...known, status: 'recorded', usage };
  };
  return {
    get state() {
      const runs = new Map(follower.state.runs);
      const mine = recorded(runs.get(run));
      if (mine !== undefined) runs.set(run, mine);
      const seen = new Map(follower.state.seen).set(said() ?? '', 0);
      return Object.create(follower.state, {
        runs: { value: runs },
        seen: { value: seen },
      }) as FoldState;
    },
    get size() {
      return follower.size;
    },
    get progress() {
      return follower.progress;
    },
    get note() {
      return follower.note;
    },
    get charter() {
      return follower.charter;
    },
    isAt: (seq, entry) => follower.isAt(seq, entry),
    step: (waitMs) => follower.step(waitMs),
    syncTo: (head, by) => follower.syncTo(head, by),
    listen: (hear) => follower.listen(hear),
  };
}
