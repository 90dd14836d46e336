// SPDX-License-Identifier: Apache-2.0
// Token buckets, one a key, refilled evenly: what one signer may cost. They are kept in memory and
// bounded in number; the longest unused is forgotten first and is by then full again or nearly.
import type { Clock } from './ports.ts';

const KEYS_MAX = 10_000;

export interface BucketLimits {
  /** Tokens at once. */
  readonly burst: number;
  /** Tokens a second, on average. */
  readonly perSecond: number;
}

export class TokenBuckets {
  readonly #limits: BucketLimits;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(limits: BucketLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Takes `cost` tokens and answers 0, or takes none and answers the milliseconds to wait. */
  take(key: string, cost: number): number {
    const { burst, perSecond } = this.#limits;
    const now = this.#clock.now();
    const before = this.#buckets.get(key) ?? { tokens: burst, at: now };
    const gained = (Math.max(0, now - before.at) / 1_000) * perSecond;
    const tokens = Math.min(burst, before.tokens + gained);
    const enough = tokens >= cost;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: enough ? tokens - cost : tokens, at: now });
    if (this.#buckets.size > KEYS_MAX) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    if (enough) return 0;
    return Math.max(1, Math.ceil(((Math.min(cost, burst) - tokens) / perSecond) * 1_000));
  }
}
