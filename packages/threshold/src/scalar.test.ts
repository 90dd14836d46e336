// SPDX-License-Identifier: Apache-2.0
// The limb routine against plain integers, at the edges and at random.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { integerToScalar, isScalar, ORDER, toInteger } from './point.ts';
import { addScalars, multiplyScalars } from './scalar.ts';

const EDGES = [
  0n,
  1n,
  2n,
  ORDER - 1n,
  ORDER - 2n,
  ORDER >> 1n,
  (1n << 252n) - 1n,
  1n << 255n,
  (1n << 224n) - 1n,
  0xfffn << 12n,
];
const scalar = fc.oneof(
  fc.bigInt({ min: 0n, max: ORDER - 1n }),
  fc.constantFrom(...EDGES.map((e) => e % ORDER)),
);

describe('arithmetic modulo the order', () => {
  test('edges agree with integers', () => {
    for (const a of EDGES) for (const b of EDGES) compare(a, b);
  });

  test('random values agree with integers', async () => {
    await fc.assert(fc.property(scalar, scalar, compare), { numRuns: 2000 });
  });

  test('does not change its inputs', () => {
    const a = integerToScalar(ORDER - 5n);
    const b = integerToScalar(77n);
    multiplyScalars(a, b);
    addScalars(a, b);
    expect([toInteger(a), toInteger(b)]).toEqual([ORDER - 5n, 77n]);
  });
});

describe('isScalar', () => {
  test('accepts [1, n-1] in 32 bytes and nothing else', () => {
    for (const value of [1n, 2n, ORDER - 1n, ORDER >> 7n]) {
      expect(isScalar(bytes(value))).toBe(true);
    }
    for (const value of [0n, ORDER, ORDER + 1n, (1n << 256n) - 1n]) {
      expect(isScalar(bytes(value))).toBe(false);
    }
    expect(isScalar(bytes(1n).subarray(1))).toBe(false);
    expect(isScalar(new Uint8Array(33).fill(1))).toBe(false);
  });

  test('agrees with integers', async () => {
    await fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), (value) => {
        expect(isScalar(bytes(value))).toBe(value > 0n && value < ORDER);
      }),
    );
  });
});

function compare(a: bigint, b: bigint): void {
  const [x, y] = [integerToScalar(a), integerToScalar(b)];
  expect(toInteger(addScalars(x, y))).toBe((a + b) % ORDER);
  expect(toInteger(multiplyScalars(x, y))).toBe((a * b) % ORDER);
}

function bytes(value: bigint): Uint8Array {
  const hex = value.toString(16).padStart(64, '0');
  return Uint8Array.from({ length: 32 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}
