// SPDX-License-Identifier: Apache-2.0
// The challenges that a keeper has drawn and not yet seen again. Freshness is causal: what the
// witnesses sign together with a challenge came after it was drawn (design, "Freshness").
//
// Invariants: 32 random bytes; good for one request of one join, used or not; short-lived; the
// table is bounded in all, by operator and by join, and a full table refuses instead of forgetting.
import { type Clock, fromHex, type Random, toHex } from '@cloister/core';
import { keeperError } from './errors.ts';

export interface ChallengeLimits {
  readonly lifetimeMs: number;
  readonly total: number;
  /** So that no operator's joins are in the way of all others'. */
  readonly perOperator: number;
  readonly perJoin: number;
}

/** Who asks: a join and its operator; and by which nonce of its own. */
export interface Drawing {
  readonly join: string;
  readonly operator: string;
  readonly nonce: string;
}

export const CHALLENGE_LIMITS: ChallengeLimits = {
  lifetimeMs: 60_000,
  total: 4_096,
  perOperator: 512,
  perJoin: 8,
};

export class Challenges {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: ChallengeLimits;
  /** Challenge to its join and its end, in the order drawn. */
  readonly #open = new Map<string, Drawing & { until: number }>();

  constructor(ports: { clock: Clock; random: Random }, limits = CHALLENGE_LIMITS) {
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#limits = limits;
  }

  get lifetimeMs(): number {
    return this.#limits.lifetimeMs;
  }

  /**
   * Draws one for a join; while it is open, the one drawn before for the same nonce: who repeats a
   * request fills no table.
   * @throws CodedError `challenges-too-many`
   */
  draw({ join, operator, nonce }: Drawing): Uint8Array {
    this.#expire();
    const { total, perOperator, perJoin } = this.#limits;
    const held = { join: 0, operator: 0 };
    for (const [challenge, entry] of this.#open) {
      if (entry.operator === operator) held.operator++;
      if (entry.join !== join) continue;
      if (entry.nonce === nonce) return fromHex(challenge);
      held.join++;
    }
    const full = held.join >= perJoin || held.operator >= perOperator || this.#open.size >= total;
    if (full) {
      const message = `too many challenges are open: use one or wait ${this.#limits.lifetimeMs} ms`;
      throw keeperError('challenges-too-many', message);
    }
    const challenge = this.#random.bytes(32);
    const until = this.#clock.now() + this.#limits.lifetimeMs;
    this.#open.set(toHex(challenge), { join, operator, nonce, until });
    return challenge;
  }

  /**
   * The one of `candidates` that was drawn for this join; it and any other of them is used up.
   * @throws CodedError `challenge-unknown`
   */
  use(join: string, candidates: readonly Uint8Array[]): Uint8Array {
    this.#expire();
    const mine = candidates.filter((bytes) => this.#open.get(toHex(bytes))?.join === join);
    for (const bytes of mine) this.#open.delete(toHex(bytes));
    if (mine[0] !== undefined) return mine[0];
    const message =
      'no challenge in the note was drawn here for this join and is unused: draw a new one';
    throw keeperError('challenge-unknown', message);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [key, entry] of this.#open) {
      if (entry.until > now) return;
      this.#open.delete(key);
    }
  }
}

/** What draws challenges and knows its own again. */
export type ChallengeTable = Pick<Challenges, 'draw' | 'use' | 'lifetimeMs'>;
