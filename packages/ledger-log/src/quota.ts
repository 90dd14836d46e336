// SPDX-License-Identifier: Apache-2.0
// Quotas: a member may append `burst` events at once and `perSecond` on average.
import { type Clock, TokenBuckets } from '@cloister/core';
import { ledgerError } from './errors.ts';

export interface QuotaLimits {
  /** Events a second on average, for one member. */
  readonly perSecond: number;
  /** Events at once. */
  readonly burst: number;
}

export class Quotas {
  readonly #limits: QuotaLimits;
  readonly #buckets: TokenBuckets;

  constructor(limits: QuotaLimits, clock: Clock) {
    this.#limits = limits;
    this.#buckets = new TokenBuckets(limits, clock);
  }

  /** Takes one token. @throws CodedError `quota-exceeded` with `retryAfterMs` in its details */
  take(member: string): void {
    const retryAfterMs = this.#buckets.take(member, 1);
    if (retryAfterMs === 0) return;
    const { perSecond } = this.#limits;
    const message = `this member may append ${perSecond} events a second: wait ${retryAfterMs} ms`;
    throw ledgerError('quota-exceeded', message, { details: { retryAfterMs } });
  }
}
