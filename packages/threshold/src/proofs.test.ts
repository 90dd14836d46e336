// SPDX-License-Identifier: Apache-2.0
// The proofs by themselves: completeness, both forms of the curve alike, and crafted responses.
import { concat, utf8 } from '@cloister/core';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { seeded } from '../testing/committee.ts';
import { publicCurve } from './curve.ts';
import { opensslCurve } from './node/multiply.ts';
import { proveDleqBatch, proveSchnorr } from './node/prove.ts';
import { randomScalar } from './node/secret.ts';
import { encodePoint } from './point.ts';
import { type DleqStatement, verifyDleqBatch, verifySchnorr } from './proofs.ts';
import { multiplyScalars } from './scalar.ts';

const random = seeded('proofs');
const secret = randomScalar(random);
const point = encodePoint(opensslCurve.base(secret));
const statement = { domain: 'cloister/pi/v1', context: [utf8('context')], point } as const;
const curves = [publicCurve, opensslCurve];

function dleq(size: number): DleqStatement {
  const pairs = Array.from({ length: size }, () => {
    const base = opensslCurve.base(randomScalar(random));
    const image = opensslCurve.multiply(secret, base);
    return { base: encodePoint(base), image: encodePoint(image) };
  });
  return { domain: 'cloister/partials/v1', context: [], publicPoint: point, pairs };
}

test('right proofs hold in both forms of the curve', async () => {
  await fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.string(), (size, seed) => {
      const one = proveSchnorr(statement, secret, seeded(seed));
      const batch = dleq(size);
      const many = proveDleqBatch(batch, secret, seeded(seed));
      for (const curve of curves) {
        expect(verifySchnorr(statement, one, curve)).toBe(true);
        expect(verifyDleqBatch(batch, many, curve)).toBe(true);
      }
    }),
    { numRuns: 8 },
  );
});

test('a proof of another domain, context or point does not hold', () => {
  const proof = proveSchnorr(statement, secret, random);
  const other = encodePoint(opensslCurve.base(randomScalar(random)));
  for (const curve of curves) {
    expect(verifySchnorr({ ...statement, domain: 'cloister/dkg-pok/v1' }, proof, curve)).toBe(
      false,
    );
    expect(verifySchnorr({ ...statement, context: [] }, proof, curve)).toBe(false);
    expect(verifySchnorr({ ...statement, point: other }, proof, curve)).toBe(false);
  }
});

test('responses crafted so that the commitment is infinity are refused', () => {
  const c = randomScalar(random);
  const crafted = concat(c, multiplyScalars(c, secret));
  for (const curve of curves) {
    expect(verifySchnorr(statement, crafted, curve)).toBe(false);
    expect(verifyDleqBatch(dleq(1), crafted, curve)).toBe(false);
  }
});

test('a nonce differs by statement and by randomness', () => {
  const of = (seed: string, context: string) => {
    const proof = proveSchnorr({ ...statement, context: [context] }, secret, seeded(seed));
    return Buffer.from(proof).toString('hex');
  };
  expect(of('a', 'x')).toBe(of('a', 'x'));
  expect(new Set([of('a', 'x'), of('a', 'y'), of('b', 'x')]).size).toBe(3);
});

test('a generator that repeats itself does not repeat a nonce for another statement', () => {
  const frozen = { bytes: (length: number) => new Uint8Array(length).fill(1) };
  const proofs = ['x', 'y'].map((context) => {
    const proof = proveSchnorr({ ...statement, context: [context] }, secret, frozen);
    const split = { c: proof.subarray(0, 32), z: proof.subarray(32) };
    const commitment = opensslCurve
      .base(split.z)
      .subtract(opensslCurve.multiply(split.c, opensslCurve.base(secret)));
    return encodePoint(commitment);
  });
  expect(proofs[0]).not.toEqual(proofs[1]);
});
