// SPDX-License-Identifier: Apache-2.0
// What one signer may cost: a bucket of tokens each, refilled evenly. Buckets are kept in memory
// and bounded in number; the longest unused is forgotten first and is by then full again or nearly.
import { type Clock, CodedError } from '@cloister/core';
import type { GatewayErrorCode } from '../errors.ts';

const SIGNERS_MAX = 10_000;

export interface QuotaLimits {
  /** What is counted, for the message: `events` or `bytes`. */
  readonly what: string;
  /** At once. */
  readonly burst: number;
  /** A second, on average. */
  readonly perSecond: number;
}

export class SignerQuota {
  readonly #limits: QuotaLimits;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(limits: QuotaLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Takes `cost` tokens, or none when there are not as many.
   * @throws CodedError `gateway-quota-exceeded` with `retryAfterMs` in its details
   */
  take(signer: string, cost: number): void {
    const { what, burst, perSecond } = this.#limits;
    const now = this.#clock.now();
    const before = this.#buckets.get(signer) ?? { tokens: burst, at: now };
    const gained = (Math.max(0, now - before.at) / 1_000) * perSecond;
    const tokens = Math.min(burst, before.tokens + gained);
    const enough = tokens >= cost;
    this.#buckets.delete(signer);
    this.#buckets.set(signer, { tokens: enough ? tokens - cost : tokens, at: now });
    if (this.#buckets.size > SIGNERS_MAX) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    if (enough) return;
    const retryAfterMs = Math.ceil(((Math.min(cost, burst) - tokens) / perSecond) * 1_000);
    const rule = `one signer may send ${burst} ${what} at once and ${perSecond} a second`;
    const message = `${rule}: wait ${Math.ceil(retryAfterMs / 1_000)} s`;
    throw new CodedError<GatewayErrorCode>('gateway-quota-exceeded', 'unavailable', message, {
      details: { retryAfterMs },
    });
  }
}

/** How many callers may wait at once; one more is told to come again. */
export class WaitingRoom {
  readonly #seats: number;
  #waiting = 0;

  constructor(seats: number) {
    this.#seats = seats;
  }

  /** @throws CodedError `gateway-overloaded` */
  async wait<T>(act: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#seats) {
      const message = `${this.#seats} callers wait already: ask again shortly`;
      throw new CodedError<GatewayErrorCode>('gateway-overloaded', 'unavailable', message);
    }
    this.#waiting += 1;
    try {
      return await act();
    } finally {
      this.#waiting -= 1;
    }
  }
}
