// SPDX-License-Identifier: Apache-2.0
// The quick look never says yes where the sure way says no, and settles what events are made of.
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equal } from './bytes.ts';
import { type Cbor, encodeCbor } from './cbor.ts';
import { surelyDeterministic } from './cbor-walk.ts';

const key = fc.oneof(fc.constant('__proto__'), fc.string({ maxLength: 3 }));
const { item } = fc.letrec<{ item: Cbor }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 4 },
    fc.integer(),
    fc.maxSafeNat(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(null, true, false),
    fc.array(tie('item'), { maxLength: 30 }),
    fc.dictionary(key, tie('item'), { maxKeys: 5 }),
    fc.array(fc.tuple(fc.oneof(key, fc.integer()), tie('item')), { maxLength: 5 }).map((pairs) => {
      return new Map(pairs) as Cbor;
    }),
  ),
}));

/** The sure way: decoded strictly, encoded again and compared. */
function sure(bytes: Uint8Array, maps: boolean): boolean {
  try {
    const value: unknown = decode(bytes, {
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: true,
      rejectDuplicateMapKeys: true,
      useMaps: maps,
    });
    return equal(encodeCbor(value as Cbor), bytes);
  } catch {
    return false;
  }
}

describe('a quick look at CBOR', () => {
  it('says yes to nothing that the sure way refuses, bent anywhere', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    const counts = { yes: 0, no: 0 };
    const check = (bytes: Uint8Array) => {
      for (const maps of [false, true]) {
        const yes = surelyDeterministic(bytes, maps);
        counts[yes ? 'yes' : 'no'] += 1;
        if (yes) expect(sure(bytes, maps)).toBe(true);
      }
    };
    fc.assert(
      fc.property(item, fc.array(change, { maxLength: 4 }), (value, changes) => {
        let bytes: Uint8Array;
        try {
          bytes = encode(value, rfc8949EncodeOptions);
        } catch {
          return;
        }
        check(bytes);
        for (const [at, by] of changes) {
          const bent = Uint8Array.from(bytes);
          bent[at % bytes.length] = by;
          check(bent);
          check(bytes.slice(0, at % bytes.length));
        }
      }),
      { numRuns: 3_000 },
    );
    expect(counts.yes).toBeGreaterThan(300);
    expect(counts.no).toBeGreaterThan(300);
  });

  it('never trusts bytes that say anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
        for (const maps of [false, true]) {
          if (surelyDeterministic(bytes, maps)) expect(sure(bytes, maps)).toBe(true);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('settles what events are made of', () => {
    const body = { time: 1_796_000_000_000, list: [0, -1, 23, 24, 255, 256, 65_536, 2 ** 40] };
    for (const value of [body, [1, null, 'task', body], [true, false, new Uint8Array(300)]]) {
      expect(surelyDeterministic(encodeCbor(value as Cbor), false)).toBe(true);
    }
    const numbered = encodeCbor(
      new Map<number | string, Cbor>([
        [1, 'a'],
        [-1, 'b'],
        ['c', 2],
      ]),
    );
    expect(surelyDeterministic(numbered, true)).toBe(true);
    expect(surelyDeterministic(numbered, false)).toBe(false);
  });

  it('leaves what is rare to the sure way', () => {
    for (const value of [1.5, 2n ** 60n, 'é', { a: 0.1 }]) {
      expect(surelyDeterministic(encodeCbor(value as Cbor), false)).toBe(false);
      expect(sure(encodeCbor(value as Cbor), false)).toBe(true);
    }
  });
});
