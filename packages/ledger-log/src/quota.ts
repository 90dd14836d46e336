// SPDX-License-Identifier: Apache-2.0
// Quotas: a token bucket for each signer. A signer may append `burst` events at once and
// `perSecond` on average; how many signers are remembered is bounded, the longest unused is
// forgotten first and is by then full again or nearly.
import type { Clock } from '@cloister/core';
import { ledgerError } from './errors.ts';

const SIGNERS_MAX = 10_000;

export interface QuotaLimits {
  /** Events a second on average, for one signer. */
  readonly perSecond: number;
  /** Events at once. */
  readonly burst: number;
}

export class Quotas {
  readonly #limits: QuotaLimits;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(limits: QuotaLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Takes one token. @throws CodedError `quota-exceeded` with `retryAfterMs` in its details */
  take(signer: string): void {
    const { perSecond, burst } = this.#limits;
    const now = this.#clock.now();
    const bucket = this.#buckets.get(signer) ?? { tokens: burst, at: now };
    const gained = (Math.max(0, now - bucket.at) / 1000) * perSecond;
    const tokens = Math.min(burst, bucket.tokens + gained);
    this.#buckets.delete(signer);
    this.#buckets.set(signer, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    if (this.#buckets.size > SIGNERS_MAX) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    if (tokens >= 1) return;
    const retryAfterMs = Math.ceil(((1 - tokens) / perSecond) * 1000);
    const message = `this signer may append ${perSecond} events a second: wait ${retryAfterMs} ms`;
    throw ledgerError('quota-exceeded', 'unavailable', message, { details: { retryAfterMs } });
  }
}
