// SPDX-License-Identifier: Apache-2.0
// What one signer may cost in events or bytes, and how many callers may wait.
import { type BucketLimits, type Clock, TokenBuckets } from '@cloister/core';
import { gatewayError } from '../errors.ts';

export interface QuotaLimits extends BucketLimits {
  /** What is counted, for the message: `events` or `bytes`. */
  readonly what: string;
}

export class SignerQuota {
  readonly #limits: QuotaLimits;
  readonly #buckets: TokenBuckets;

  constructor(limits: QuotaLimits, clock: Clock) {
    this.#limits = limits;
    this.#buckets = new TokenBuckets(limits, clock);
  }

  /**
   * Takes `cost` tokens, or none when there are not as many.
   * @throws CodedError `gateway-quota-exceeded` with `retryAfterMs` in its details
   */
  take(signer: string, cost: number): void {
    const retryAfterMs = this.#buckets.take(signer, cost);
    if (retryAfterMs === 0) return;
    const { what, burst, perSecond } = this.#limits;
    const rule = `one signer may send ${burst} ${what} at once and ${perSecond} a second`;
    const message = `${rule}: wait ${Math.ceil(retryAfterMs / 1_000)} s`;
    throw gatewayError('gateway-quota-exceeded', message, {
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
      throw gatewayError('gateway-overloaded', message);
    }
    this.#waiting += 1;
    try {
      return await act();
    } finally {
      this.#waiting -= 1;
    }
  }
}
