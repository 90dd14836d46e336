// SPDX-License-Identifier: Apache-2.0
// A keeper's share of the group secret. It lives in this process's memory only: it cannot be turned
// into JSON, is not printed, and `wipe` overwrites it. Its public side (group key, public shares)
// is plain data. The secret is reached only by this package, through `secretOf`.

import { thresholdError } from '../errors.ts';
import type { Reveal } from '../reveal.ts';
import { Multiplier } from './multiply.ts';

interface Inside {
  readonly secret: Uint8Array;
  readonly multiplier: Multiplier;
}

const insides = new WeakMap<KeyShare, Inside>();

export interface ShareFacts {
  readonly genesis: Uint8Array;
  readonly epoch: Uint8Array;
  readonly seat: number;
  readonly n: number;
  readonly t: number;
  readonly groupKey: Uint8Array;
  /** The public share of this seat. */
  readonly publicShare: Uint8Array;
  /** The reveals that the share comes from, ordered. */
  readonly reveals: readonly Reveal[];
}

export class KeyShare implements ShareFacts {
  readonly genesis: Uint8Array;
  readonly epoch: Uint8Array;
  readonly seat: number;
  readonly n: number;
  readonly t: number;
  readonly groupKey: Uint8Array;
  readonly publicShare: Uint8Array;
  readonly reveals: readonly Reveal[];

  /** Takes the secret over: the caller does not keep it. */
  constructor(facts: ShareFacts, secret: Uint8Array) {
    this.genesis = facts.genesis;
    this.epoch = facts.epoch;
    this.seat = facts.seat;
    this.n = facts.n;
    this.t = facts.t;
    this.groupKey = facts.groupKey;
    this.publicShare = facts.publicShare;
    this.reveals = facts.reveals;
    insides.set(this, { secret, multiplier: new Multiplier(secret) });
  }

  get wiped(): boolean {
    return !insides.has(this);
  }

  /** Overwrites the secret; the share then answers nothing. Wiping twice is harmless. */
  wipe(): void {
    const inside = insides.get(this);
    inside?.secret.fill(0);
    inside?.multiplier.wipe();
    insides.delete(this);
  }

  toJSON(): never {
    throw thresholdError('secret-not-serialisable', 'a key share is never serialised');
  }
}

/** The secret side, for this package. @throws CodedError `secret-wiped` */
export function secretOf(share: KeyShare): Inside {
  const inside = insides.get(share);
  if (inside === undefined) {
    throw thresholdError('secret-wiped', 'this key share has been wiped');
  }
  return inside;
}
