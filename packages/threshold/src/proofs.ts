// SPDX-License-Identifier: Apache-2.0
// Verification of the two proofs, both made non-interactive by Fiat-Shamir and both 64 bytes: the
// challenge c, then the response z, each in [1, n-1].
// - Schnorr: knowledge of x with X = xG. Accept when c = H(context, X, zG - cX).
// - Batched DLEQ (Chaum and Pedersen): the same x in X = xG and, for every pair, D = xE. The pairs
//   are folded with weights hashed from all of them, E* = sum w_i E_i and D* = sum w_i D_i; accept
//   when c = H(context, X, E*, D*, zG - cX, zE* - cD*). A batch with one wrong pair passes with
//   probability about 2^-128 (the weights have 128 bits).
// Provers are in `node/prove.ts`.
import { type Cbor, concat, equal } from '@cloister/core';
import { type Curve, publicCurve } from './curve.ts';
import { thresholdError } from './errors.ts';
import { challenge, type Domain, digest } from './hash.ts';
import { encodePoint, isScalar, type Point, parsePoint, SCALAR_BYTES, sumPoints } from './point.ts';

/** Length in bytes of a Schnorr or DLEQ proof: c and z. */
export const PROOF_BYTES = 2 * SCALAR_BYTES;

/** What a Schnorr proof is about: a domain, what it is bound to, and X (65 bytes). */
export interface SchnorrStatement {
  readonly domain: Domain;
  readonly context: readonly Cbor[];
  readonly point: Uint8Array;
}

export function schnorrChallenge(s: SchnorrStatement, commitment: Point): Uint8Array<ArrayBuffer> {
  return challenge(s.domain, [...s.context], s.point, encodePoint(commitment));
}

/**
 * True only if `proof` shows knowledge of the discrete logarithm of `statement.point`.
 * @throws CodedError the point codes, when the point itself is not one
 */
export function verifySchnorr(
  statement: SchnorrStatement,
  proof: Uint8Array,
  curve: Curve = publicCurve,
): boolean {
  const point = parsePoint(statement.point);
  const split = splitProof(proof);
  if (split === undefined) return false;
  const { c, z } = split;
  const commitment = curve.base(z).subtract(curve.multiply(c, point));
  return !commitment.is0() && equal(c, schnorrChallenge(statement, commitment));
}

/** One pair of a DLEQ: `image` should be x times `base`. 65 bytes each. */
export interface DleqPair {
  readonly base: Uint8Array;
  readonly image: Uint8Array;
}

/** What a DLEQ proof is about: `publicPoint` is x times the base point of the group. */
export interface DleqStatement {
  readonly domain: Domain;
  readonly context: readonly Cbor[];
  readonly publicPoint: Uint8Array;
  readonly pairs: readonly DleqPair[];
}

/** The folded statement of a batch. */
export interface DleqFold {
  readonly publicPoint: Point;
  readonly base: Point;
  readonly image: Point;
  /** Digest of the whole statement, which the challenge binds. */
  readonly statement: Uint8Array;
}

/**
 * Checks every point and folds the pairs into one.
 * @throws CodedError the point codes; `argument-invalid` for an empty batch
 */
export function foldDleq(s: DleqStatement, curve: Curve): DleqFold {
  if (s.pairs.length === 0) {
    throw thresholdError('argument-invalid', 'a DLEQ proof needs at least one pair');
  }
  const publicPoint = parsePoint(s.publicPoint);
  const bases = s.pairs.map((p) => parsePoint(p.base));
  const images = s.pairs.map((p) => parsePoint(p.image));
  const pairs = s.pairs.map((p) => concat(p.base, p.image));
  const statement = digest(s.domain, [...s.context], s.publicPoint, pairs);
  if (s.pairs.length === 1) {
    return { publicPoint, base: bases[0] as Point, image: images[0] as Point, statement };
  }
  const weights = s.pairs.map((_, i) => {
    const weight = digest('cloister/dleq-weights/v1', statement, i);
    return weight.fill(0, 0, SCALAR_BYTES / 2);
  });
  const weigh = (points: readonly Point[]) =>
    sumPoints(points.map((p, i) => curve.multiply(weights[i] as Uint8Array, p)));
  return { publicPoint, base: weigh(bases), image: weigh(images), statement };
}

export function dleqChallenge(fold: DleqFold, a: Point, b: Point): Uint8Array<ArrayBuffer> {
  const points = [fold.publicPoint, fold.base, fold.image, a, b].map(encodePoint);
  return challenge('cloister/dleq/v1', fold.statement, points);
}

/**
 * True only if one x satisfies every pair of the batch and the public point.
 * @throws CodedError the point codes, when something given is not a point
 */
export function verifyDleqBatch(
  statement: DleqStatement,
  proof: Uint8Array,
  curve: Curve = publicCurve,
): boolean {
  const fold = foldDleq(statement, curve);
  const split = splitProof(proof);
  if (split === undefined || fold.base.is0() || fold.image.is0()) return false;
  const { c, z } = split;
  const a = curve.base(z).subtract(curve.multiply(c, fold.publicPoint));
  const b = curve.multiply(z, fold.base).subtract(curve.multiply(c, fold.image));
  if (a.is0() || b.is0()) return false;
  return equal(c, dleqChallenge(fold, a, b));
}

function splitProof(proof: Uint8Array): { c: Uint8Array; z: Uint8Array } | undefined {
  if (proof.length !== PROOF_BYTES) return undefined;
  const c = proof.subarray(0, SCALAR_BYTES);
  const z = proof.subarray(SCALAR_BYTES);
  return isScalar(c) && isScalar(z) ? { c, z } : undefined;
}

/** @throws CodedError `proof-malformed` unless the bytes are two scalars */
export function assertProof(proof: Uint8Array): void {
  if (splitProof(proof) !== undefined) return;
  const message = `a proof is not ${PROOF_BYTES} bytes of two scalars in [1, n-1]`;
  throw thresholdError('proof-malformed', message);
}
