// SPDX-License-Identifier: Apache-2.0
// What follows from all reveals of an epoch together, computed alike by every seat, gateway and
// auditor: the transcript hash, the group key, each seat's public share, and whether a deal fits.
// A dealer's polynomial counts with weight 1 when the key is new, and with its Lagrange coefficient
// at zero over the dealers when old shares are dealt again; the weighted sum of the polynomials has
// the group's secret at zero.
import { equal } from '@cloister/core';
import { assertSeats, assertThreshold } from './check.ts';
import { type Curve, publicCurve } from './curve.ts';
import { thresholdError } from './errors.ts';
import { digest, digestBytes } from './hash.ts';
import { lagrangeAtZero } from './lagrange.ts';
import {
  encodePoint,
  INFINITY,
  isScalar,
  type Point,
  parsePoint,
  sumPoints,
  timesPublic,
} from './point.ts';
import { encodeReveal, type Reveal, sameOrigin } from './reveal.ts';

/**
 * Checks that the reveals belong together, and sorts them by seat. For a new key every seat from 1
 * to n must be there when `n` is given.
 * @throws CodedError `reveals-incomplete`, `reveal-other-*`, `seat-duplicate`
 */
export function orderReveals(reveals: readonly Reveal[], n?: number): readonly Reveal[] {
  const first = reveals[0];
  if (first === undefined) {
    throw thresholdError('reveals-incomplete', 'there are no reveals');
  }
  assertSeats(reveals.map((r) => r.seat));
  for (const r of reveals) {
    if (!equal(r.genesis, first.genesis)) throw mixed('charter');
    if (!equal(r.epoch, first.epoch)) throw mixed('epoch');
    if (!sameOrigin(r.previous, first.previous)) throw mixed('origin');
    if (r.commitments.length !== first.commitments.length) throw mixed('threshold');
  }
  const sorted = [...reveals].sort((a, b) => a.seat - b.seat);
  const complete = sorted.length === n && sorted.every((r, i) => r.seat === i + 1);
  if (n !== undefined && first.previous === null && !complete) {
    const got = sorted.map((r) => r.seat).join(', ');
    const message = `wanted one reveal of each seat from 1 to ${n}, got ${got}`;
    throw thresholdError('reveals-incomplete', message);
  }
  return sorted;
}

/**
 * The hash that all seats acknowledge: genesis, epoch, n, t, the digest of every reveal in seat
 * order, and the group key.
 */
export function transcriptHash(args: {
  reveals: readonly Reveal[];
  n: number;
}): Uint8Array<ArrayBuffer> {
  const reveals = orderReveals(args.reveals, args.n);
  const { genesis, epoch, commitments } = reveals[0] as Reveal;
  assertThreshold(commitments.length, args.n);
  const digests = reveals.map((r) => digestBytes(encodeReveal(r)));
  const key = groupKeyOf(reveals);
  const t = commitments.length;
  return digest('cloister/dkg-transcript/v1', genesis, epoch, args.n, t, digests, key);
}

/**
 * The group public key, 65 bytes. In a reshare `expected` is the old one, and must come out again.
 * @throws CodedError `group-key-infinity`, `reshare-group-key` and those of `orderReveals`
 */
export function groupKeyOf(
  reveals: readonly Reveal[],
  options: { expected?: Uint8Array } = {},
): Uint8Array<ArrayBuffer> {
  const key = weightedSum(orderReveals(reveals), (r) => parsePoint(r.commitments[0] as Uint8Array));
  if (key.is0()) {
    throw thresholdError('group-key-infinity', 'the constants cancel out');
  }
  const bytes = encodePoint(key);
  if (options.expected !== undefined && !equal(bytes, options.expected)) {
    const message = 'the reshare does not give the old group key: too few dealers, or other shares';
    throw thresholdError('reshare-group-key', message);
  }
  return bytes;
}

/** The public share of a seat: its secret share times the base point. 65 bytes. */
export function seatPublicShare(reveals: readonly Reveal[], seat: number): Uint8Array<ArrayBuffer> {
  assertSeats([seat]);
  return encodePoint(weightedSum(orderReveals(reveals), (r) => evaluate(r, seat)));
}

/**
 * True only if `deal` (32 bytes) is the dealer's polynomial at `seat`. At that seat the deal is
 * secret: pass `opensslCurve` there. The default is for deals that a complaint has disclosed.
 */
export function verifyDeal(args: {
  reveal: Reveal;
  seat: number;
  deal: Uint8Array;
  curve?: Curve;
}): boolean {
  assertSeats([args.seat]);
  if (!isScalar(args.deal)) return false;
  return (args.curve ?? publicCurve).base(args.deal).equals(evaluate(args.reveal, args.seat));
}

/** The weight of each dealer, in the order of `reveals`. */
export function dealerWeights(reveals: readonly Reveal[]): bigint[] {
  if (reveals[0]?.previous === null) return reveals.map(() => 1n);
  return lagrangeAtZero(reveals.map((r) => r.seat));
}

/** Horner over the commitments, in the exponent. */
function evaluate(reveal: Reveal, seat: number): Point {
  const x = BigInt(seat);
  return reveal.commitments.reduceRight(
    (sum, commitment) => timesPublic(sum, x).add(parsePoint(commitment)),
    INFINITY,
  );
}

function weightedSum(reveals: readonly Reveal[], of: (r: Reveal) => Point): Point {
  const weights = dealerWeights(reveals);
  return sumPoints(
    reveals.map((r, i) => (weights[i] === 1n ? of(r) : timesPublic(of(r), weights[i] as bigint))),
  );
}

function mixed(what: 'charter' | 'epoch' | 'origin' | 'threshold') {
  const message = `the reveals do not belong together: they differ in ${what}`;
  return thresholdError(`reveal-other-${what}`, message);
}
