// SPDX-License-Identifier: Apache-2.0
// Multiplication through OpenSSL against the public arithmetic, and Wycheproof's hostile points.
import { existsSync, readFileSync } from 'node:fs';
import { fromHex, toHex } from '@cloister/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOf, seeded } from '../../testing/committee.ts';
import { publicCurve } from '../curve.ts';
import { BASE, encodePoint, integerToScalar, ORDER, parsePoint } from '../point.ts';
import { HpkeKeyPair } from './hpke.ts';
import { Multiplier, opensslCurve } from './multiply.ts';
import { randomScalar } from './secret.ts';

describe('secret times point', () => {
  test('both forms of the curve port answer the same points', async () => {
    await fc.assert(
      fc.property(fc.string(), (seed) => {
        const random = seeded(seed);
        const s = randomScalar(random);
        const p = opensslCurve.base(randomScalar(random));
        expect(opensslCurve.base(s).equals(publicCurve.base(s))).toBe(true);
        expect(opensslCurve.multiply(s, p).equals(publicCurve.multiply(s, p))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('the points and scalars where sums degenerate', () => {
    const s = randomScalar(seeded('edges'));
    const sG = opensslCurve.base(s);
    const points = [BASE, BASE.negate(), BASE.double(), BASE.double().negate(), sG, sG.negate()];
    const scalars = [s, integerToScalar(1n), integerToScalar(2n), integerToScalar(ORDER - 1n)];
    for (const p of points) {
      for (const k of scalars) {
        expect(opensslCurve.multiply(k, p).equals(publicCurve.multiply(k, p))).toBe(true);
      }
    }
  });

  test('scalars out of range are refused', () => {
    for (const bad of [integerToScalar(0n), new Uint8Array(32).fill(255), new Uint8Array(31)]) {
      expect(codeOf(() => new Multiplier(bad))).toBe('scalar-out-of-range');
    }
  });

  test('a wiped secret answers nothing and none is serialised', () => {
    const secret = new Multiplier(integerToScalar(5n));
    expect(codeOf(() => JSON.stringify({ secret }))).toBe('secret-not-serialisable');
    secret.wipe();
    expect(codeOf(() => secret.x(encodePoint(BASE)))).toBe('secret-wiped');
  });
});

const WYCHEPROOF = new URL(
  '../../../../../shared/vectors/crypto/wycheproof/ecdh_secp256r1_ecpoint_test.json',
  import.meta.url,
);

interface Group {
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly public: string;
    readonly private: string;
    readonly shared: string;
    readonly result: 'valid' | 'invalid' | 'acceptable';
    readonly flags: readonly string[];
  }[];
}

const hasShared = existsSync(WYCHEPROOF);

describe.skipIf(!hasShared)('Wycheproof ecdh_secp256r1_ecpoint [skip: shared]', () => {
  test('valid points give the shared x, compressed and invalid ones a code', () => {
    const { testGroups } = JSON.parse(readFileSync(WYCHEPROOF, 'utf8')) as { testGroups: Group[] };
    const counts = { valid: 0, compressed: 0, invalid: 0 };
    for (const one of testGroups.flatMap((g) => g.tests)) {
      const point = fromHex(one.public);
      const pair = new HpkeKeyPair(fromHex(one.private.padStart(64, '0').slice(-64)));
      if (one.flags.includes('CompressedPoint') || one.flags.includes('CompressedPublic')) {
        counts.compressed++;
        expect(
          codeOf(() => pair.dh(point)),
          `tcId ${one.tcId}`,
        ).toBe('point-malformed');
      } else if (one.result === 'valid') {
        counts.valid++;
        expect(toHex(pair.dh(point)), `tcId ${one.tcId} ${one.comment}`).toBe(one.shared);
        const product = opensslCurve.multiply(pair.privateKey, parsePoint(point));
        expect(toHex(encodePoint(product).subarray(1, 33)), `tcId ${one.tcId}`).toBe(one.shared);
      } else {
        counts.invalid++;
        expect(
          codeOf(() => pair.dh(point)),
          `tcId ${one.tcId} ${one.comment}`,
        ).toMatch(/^point-/);
      }
    }
    expect(counts.valid).toBeGreaterThan(200);
    expect(counts.invalid).toBeGreaterThan(5);
  });
});
