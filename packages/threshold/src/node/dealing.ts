// SPDX-License-Identifier: Apache-2.0
// A dealer's side of a key generation, and the end of it: one share from all deals. For a new key
// the constant term is drawn; in a reshare it is the dealer's old share. Coefficients are wiped as
// soon as the deals are made, deals as soon as they are summed.
import type { Random } from '@cloister/core';
import { equal } from '@cloister/core';
import { assertLength, assertSeats, assertThreshold } from '../check.ts';
import {
  dealerWeights,
  groupKeyOf,
  orderReveals,
  seatPublicShare,
  verifyDeal,
} from '../committee.ts';
import { thresholdError } from '../errors.ts';
import { integerToScalar, isScalar } from '../point.ts';
import { commitHash, encodeReveal, pokStatement, type Reveal } from '../reveal.ts';
import { addScalars, multiplyScalars } from '../scalar.ts';
import { Multiplier, opensslCurve } from './multiply.ts';
import { proveSchnorr } from './prove.ts';
import { randomScalar } from './secret.ts';
import { KeyShare, secretOf } from './share.ts';

/** A dealer's polynomial at one seat: secret until sealed. */
export interface PlainDeal {
  readonly seat: number;
  /** 32 bytes. */
  readonly deal: Uint8Array;
}

export interface Dealing {
  /** Goes on the ledger first, 32 bytes. */
  readonly commit: Uint8Array;
  /** Goes on the ledger when all commits are there. */
  readonly reveal: Uint8Array;
  /** One for each seat of the new epoch, the dealer's own included. */
  readonly deals: readonly PlainDeal[];
  /** Overwrites the deals. */
  wipe(): void;
}

/**
 * Makes a polynomial of degree t - 1, its commitments and its values at seats 1..n.
 * `seat` is the dealer's: in this epoch for a new key, in `reshare`'s epoch otherwise.
 * @throws CodedError `threshold-out-of-range`, `seat-out-of-range`, `secret-wiped`
 */
export function createDealing(args: {
  genesis: Uint8Array;
  epoch: Uint8Array;
  seat: number;
  n: number;
  t: number;
  random: Random;
  /** The old share to deal again. */
  reshare?: KeyShare;
}): Dealing {
  const { genesis, epoch, seat, n, t, random } = args;
  assertLength(genesis, 32, 'genesis');
  assertLength(epoch, 32, 'an epoch id');
  assertThreshold(t, n);
  assertSeats([seat]);
  if (args.reshare !== undefined) assertOwn(args.reshare, genesis, seat);
  const previous = args.reshare?.epoch ?? null;
  const constant =
    args.reshare === undefined
      ? randomScalar(random)
      : Uint8Array.from(secretOf(args.reshare).secret);
  const coefficients = [constant, ...Array.from({ length: t - 1 }, () => randomScalar(random))];
  const commitments = coefficients.map(publicOf);
  const unproven = { genesis, epoch, seat, previous, commitments };
  const pok = proveSchnorr(pokStatement(unproven), constant, random);
  const reveal = encodeReveal({ ...unproven, pok });
  const deals = Array.from({ length: n }, (_, i) => {
    return { seat: i + 1, deal: evaluate(coefficients, i + 1) };
  });
  for (const coefficient of coefficients) coefficient.fill(0);
  const commit = commitHash({ genesis, epoch, seat, reveal });
  const wipe = () => {
    for (const { deal } of deals) deal.fill(0);
  };
  return { commit, reveal, deals, wipe };
}

/**
 * Adds the deals of all dealers to this seat's share, after checking every one.
 * @throws CodedError `deal-invalid` (its details name the dealer), `deals-incomplete`,
 *   `reveals-incomplete`, `reshare-group-key`, and those of `orderReveals`
 */
export function combineDeals(args: {
  seat: number;
  n: number;
  /** Verified reveals of all dealers. */
  reveals: readonly Reveal[];
  /** One opened deal of each dealer. */
  deals: readonly { readonly dealer: number; readonly deal: Uint8Array }[];
  /** In a reshare, the old group key. */
  expectedGroupKey?: Uint8Array;
}): KeyShare {
  const { seat, n } = args;
  const reveals = orderReveals(args.reveals, n);
  const { genesis, epoch, commitments, previous } = reveals[0] as Reveal;
  const t = commitments.length;
  assertThreshold(t, n);
  assertSeats([seat]);
  if (seat > n) {
    throw thresholdError('seat-out-of-range', `seat ${seat} of ${n}`);
  }
  if (previous !== null && args.expectedGroupKey === undefined) {
    const message = 'a reshare is combined against the old group key, and none was given';
    throw thresholdError('argument-invalid', message);
  }
  const expected = args.expectedGroupKey;
  const groupKey = groupKeyOf(reveals, expected === undefined ? {} : { expected });
  const ordered = reveals.map((reveal) => dealOf(reveal, seat, args.deals));
  const weights = dealerWeights(reveals).map(integerToScalar);
  let secret: Uint8Array<ArrayBuffer> = new Uint8Array(32);
  for (const [i, deal] of ordered.entries()) {
    const weighted = multiplyScalars(deal, weights[i] as Uint8Array);
    const sum = addScalars(secret, weighted);
    secret.fill(0);
    weighted.fill(0);
    secret = sum;
  }
  const publicShare = seatPublicShare(reveals, seat);
  const facts = { genesis, epoch, seat, n, t, groupKey, publicShare, reveals };
  return new KeyShare(facts, secret);
}

function dealOf(
  reveal: Reveal,
  seat: number,
  deals: readonly { readonly dealer: number; readonly deal: Uint8Array }[],
): Uint8Array {
  const found = deals.filter((d) => d.dealer === reveal.seat);
  const [one] = found;
  if (one === undefined || found.length !== 1) {
    const message = `wanted one deal of dealer ${reveal.seat}, got ${found.length}`;
    throw thresholdError('deals-incomplete', message);
  }
  if (!verifyDeal({ reveal, seat, deal: one.deal, curve: opensslCurve })) {
    const message = `dealer ${reveal.seat}'s deal to seat ${seat} does not fit its commitments`;
    const details = { dealer: reveal.seat, seat };
    throw thresholdError('deal-invalid', message, { details });
  }
  return one.deal;
}

function evaluate(coefficients: readonly Uint8Array[], seat: number): Uint8Array {
  const x = integerToScalar(BigInt(seat));
  let value: Uint8Array<ArrayBuffer> = new Uint8Array(32);
  for (const coefficient of [...coefficients].reverse()) {
    const product = multiplyScalars(value, x);
    const sum = addScalars(product, coefficient);
    value.fill(0);
    product.fill(0);
    value = sum;
  }
  if (!isScalar(value)) {
    throw thresholdError('random-exhausted', 'a deal came out as zero: deal again');
  }
  return value;
}

function publicOf(secret: Uint8Array): Uint8Array {
  const multiplier = new Multiplier(secret);
  multiplier.wipe();
  return multiplier.bytes;
}

function assertOwn(share: KeyShare, genesis: Uint8Array, seat: number): void {
  if (!equal(share.genesis, genesis)) {
    const message = 'the share to deal again is of another charter';
    throw thresholdError('reveal-other-charter', message);
  }
  if (share.seat !== seat) {
    const message = `the share to deal again is of seat ${share.seat}, wanted ${seat}`;
    throw thresholdError('reveal-other-seat', message);
  }
}
