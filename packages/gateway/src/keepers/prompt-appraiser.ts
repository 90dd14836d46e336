// SPDX-License-Identifier: Apache-2.0
// Appraises for who must not wait: evidence that is not here is waited for a moment, once; after
// that it comes by itself, or does not, and whoever asked looks again when it is here. So evidence
// that a peer says it has and never sends holds up no consent to other keepers.
import type { AppraisedState, Appraiser, JoinAppraisal } from '@cloister/contract';
import { coreError, type Timers } from '@cloister/core';
import type { Gateway } from '../context.ts';
import { settledWithin } from '../settled-within.ts';

const PATIENCE_MS = 2_000;
/** Joins whose evidence is under way at once; others are late at once, and asked for later. */
const COMING_MAX = 64;

export class PromptAppraiser implements Appraiser {
  readonly #gateway: Pick<Gateway, 'appraiser' | 'blobs'> & { readonly timers: Timers };
  readonly #came: () => void;
  readonly #coming = new Set<string>();

  /** `came` is called when evidence that was late has come. */
  constructor(gateway: Pick<Gateway, 'appraiser' | 'blobs' | 'timers'>, came: () => void) {
    this.#gateway = gateway;
    this.#came = came;
  }

  /** @throws CodedError `blob-not-found` while the evidence is late; those of the appraiser */
  async appraise(state: AppraisedState, key: string): Promise<JoinAppraisal> {
    const { appraiser, blobs, timers } = this.#gateway;
    const evidence = state.joins.get(key)?.body.evidence;
    const isHere = evidence === undefined || (await blobs.head(evidence)) !== undefined;
    if (isHere) return appraiser.appraise(state, key);
    if (this.#coming.has(key) || this.#coming.size >= COMING_MAX) throw late(key);
    // Whoever is kept waiting by one is not kept waiting by each.
    const patienceMs = this.#coming.size > 0 ? 0 : PATIENCE_MS;
    let wasLate = false;
    this.#coming.add(key);
    const appraised = appraiser.appraise(state, key);
    const ended = (came: boolean) => {
      this.#coming.delete(key);
      if (came && wasLate) this.#came();
    };
    const done = appraised.then(
      () => ended(true),
      () => ended(false),
    );
    await settledWithin(timers, done, patienceMs);
    if (!this.#coming.has(key)) return appraised;
    wasLate = true;
    throw late(key);
  }
}

function late(key: string) {
  const message = `the evidence of join ${key.slice(0, 16)} is not here yet: it is being fetched`;
  return coreError('blob-not-found', message);
}
