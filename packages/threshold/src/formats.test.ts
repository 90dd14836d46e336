// SPDX-License-Identifier: Apache-2.0
// Labels, sealed keys and points: one encoding each, every field checked, hostile bytes coded.
import { concat, encodeCbor } from '@cloister/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf, committee, filled, GENESIS, labelOf, seeded } from '../testing/committee.ts';
import { encodeLabel, type Label, parseLabel } from './label.ts';
import { lagrangeAtZero, lagrangeFractions } from './lagrange.ts';
import { opensslCurve } from './node/multiply.ts';
import { sealMasterKey } from './node/open.ts';
import { BASE, encodePoint, INFINITY, modOrder, parsePoint } from './point.ts';
import { encodeSealedKey, parseSealedKey, verifySealedKey } from './sealed-key.ts';

const { groupKey } = committee({ n: 2, t: 2 });
const RIGHT: Label = {
  genesis: GENESIS,
  groupKey,
  owner: 'bank',
  dataset: filled(2, 16),
  version: 1,
  column: 0,
  policy: filled(3),
};

describe('a label', () => {
  test('parse after encode is identity', () => {
    expect(parseLabel(encodeLabel(RIGHT))).toEqual(RIGHT);
  });

  test('every field is checked', () => {
    const changes: [object, string][] = [
      [{ genesis: filled(1, 31) }, 'label-malformed'],
      [{ groupKey: groupKey.subarray(1) }, 'label-malformed'],
      [{ groupKey: filled(4, 65) }, 'point-not-on-curve'],
      [{ owner: '' }, 'label-malformed'],
      [{ owner: 7 }, 'label-malformed'],
      [{ dataset: filled(1) }, 'label-malformed'],
      [{ version: -1 }, 'label-malformed'],
      [{ version: 1.5 }, 'label-malformed'],
      [{ column: '3' }, 'label-malformed'],
      [{ policy: filled(1, 16) }, 'label-malformed'],
    ];
    for (const [change, code] of changes) {
      const label = { ...RIGHT, ...change } as Label;
      expect(
        codeOf(() => encodeLabel(label)),
        JSON.stringify(Object.keys(change)),
      ).toBe(code);
    }
  });

  test('any other bytes have a code', async () => {
    const bytes = encodeLabel(RIGHT);
    for (let i = 0; i < bytes.length; i++) {
      expect(codeOf(() => parseLabel(bytes.slice(0, i)))).toBe('label-malformed');
    }
    expect(codeOf(() => parseLabel(concat(bytes, filled(0, 1))))).toBe('label-malformed');
    await fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        expect(codeOf(() => parseLabel(noise))).toBe('label-malformed');
        expect(codeOf(() => parseSealedKey(noise))).toBe('sealed-key-malformed');
        expect(codeOf(() => parsePoint(noise))).toMatch(/^point-/);
      }),
    );
  });
});

describe('a sealed key', () => {
  const label = labelOf(groupKey);
  const masterKey = filled(0x44);
  const sealed = sealMasterKey({ groupKey, label, masterKey, random: seeded('sealed') });
  const parts = parseSealedKey(sealed);

  test('parse after encode is identity, parsed or not it verifies', () => {
    expect(encodeSealedKey(parts)).toEqual(sealed);
    expect(verifySealedKey({ sealed, label })).toBe(true);
    expect(verifySealedKey({ sealed: parts, label })).toBe(true);
  });

  test('does not contain the master key, and is made anew each time', () => {
    const again = sealMasterKey({ groupKey, label, masterKey });
    expect(again).not.toEqual(sealed);
    expect(Buffer.from(sealed).includes(Buffer.from(masterKey))).toBe(false);
  });

  test('no bit flip verifies', () => {
    for (let i = 0; i < sealed.length; i++) {
      const bent = Uint8Array.from(sealed);
      bent[i] = (bent[i] as number) ^ (1 << (i % 8));
      let verdict: boolean | string;
      try {
        verdict = verifySealedKey({ sealed: bent, label, curve: opensslCurve });
      } catch (error) {
        verdict = (error as { code: string }).code;
      }
      expect(String(verdict)).toMatch(/^(false|sealed-key-malformed|point-|proof-malformed)/);
    }
  });

  test('every field is checked', () => {
    const { enc, ct, pi } = parts;
    const cases: [readonly (number | Uint8Array)[], string][] = [
      [[2, enc, ct, pi], 'sealed-key-malformed'],
      [[1, enc, ct], 'sealed-key-malformed'],
      [[1, 5, ct, pi], 'sealed-key-malformed'],
      [[1, enc, ct.slice(1), pi], 'sealed-key-malformed'],
      [[1, enc, ct, pi.slice(1)], 'sealed-key-malformed'],
      [[1, Uint8Array.of(0), ct, pi], 'point-infinity'],
      [[1, concat(Uint8Array.of(2), enc.subarray(1, 33)), ct, pi], 'point-malformed'],
      [[1, filled(4, 65), ct, pi], 'point-not-on-curve'],
      [[1, enc, ct, new Uint8Array(64)], 'proof-malformed'],
      [[1, enc, ct, filled(255, 64)], 'proof-malformed'],
    ];
    for (const [items, code] of cases) {
      expect(codeOf(() => parseSealedKey(encodeCbor([...items])))).toBe(code);
    }
  });

  test('a key is sealed to the group key of its label only, and has 32 bytes', () => {
    const other = committee({ n: 2, t: 2, seed: 'other' }).groupKey;
    const seal = (change: object) =>
      codeOf(() => sealMasterKey({ groupKey, label, masterKey, ...change }));
    expect(seal({ groupKey: other })).toBe('label-other-key');
    expect(seal({ masterKey: filled(1, 16) })).toBe('argument-invalid');
  });
});

describe('a point', () => {
  test('is never infinity, also where (0, 0) stands for it', () => {
    expect(codeOf(() => encodePoint(INFINITY))).toBe('point-infinity');
    const zero = concat(Uint8Array.of(4), new Uint8Array(64));
    expect(codeOf(() => parsePoint(zero))).toBe('point-not-on-curve');
  });

  test('has one encoding', () => {
    const bytes = encodePoint(BASE);
    expect(encodePoint(parsePoint(bytes))).toEqual(bytes);
    const hybrid = Uint8Array.from(bytes);
    hybrid[0] = 6;
    expect(codeOf(() => parsePoint(hybrid))).toBe('point-malformed');
  });
});

describe('Lagrange coefficients', () => {
  test('recover the constant of any polynomial', async () => {
    const shape = fc.record({
      seats: fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 9 }),
      coefficients: fc.array(fc.bigInt({ min: 0n, max: (1n << 255n) - 1n }), {
        minLength: 9,
        maxLength: 9,
      }),
    });
    await fc.assert(
      fc.property(shape, ({ seats, coefficients }) => {
        const poly = coefficients.slice(0, seats.length);
        const at = (x: number) => poly.reduceRight((v, c) => modOrder(v * BigInt(x) + c), 0n);
        const lambdas = lagrangeAtZero(seats);
        const sum = seats.reduce((s, x, i) => s + (lambdas[i] as bigint) * at(x), 0n);
        expect(modOrder(sum)).toBe(modOrder(poly[0] as bigint));
      }),
    );
  });

  test('are refused for duplicate seats and seats out of range', () => {
    expect(codeOf(() => lagrangeAtZero([1, 2, 1]))).toBe('seat-duplicate');
    for (const seat of [0, 256, -1, 0.5]) {
      expect(codeOf(() => lagrangeFractions([seat, 1]))).toBe('seat-out-of-range');
    }
  });

  test('are small fractions, with a positive divisor', () => {
    expect(lagrangeFractions([1, 2])).toEqual({ factors: [2n, -1n], divisor: 1n });
    expect(lagrangeFractions([1, 3])).toEqual({ factors: [3n, -1n], divisor: 2n });
  });
});
