// SPDX-License-Identifier: Apache-2.0
// The vendor rule against a naive model that tries every set of families, and its known cases.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familiesOf, mostSeats, type Seat, vendorBreach } from './vendor-rule.ts';

const seats = (...pairs: [string, string][]): Seat[] =>
  pairs.map(([operator, family]) => ({ operator, family }));

describe('vendor rule', () => {
  it('accepts three makes under three operators with t = 2, v = 2', () => {
    const three = seats(['a', 'intel'], ['b', 'amd'], ['c', 'trustzone:c']);
    expect(vendorBreach(three, { threshold: 2, vendors: 2 })).toBeUndefined();
  });

  it('refuses two seats on one family, and names it', () => {
    const two = seats(['a', 'intel'], ['b', 'intel'], ['c', 'amd']);
    expect(vendorBreach(two, { threshold: 2, vendors: 2 })).toEqual({
      code: 'vendor-rule',
      who: ['intel'],
      seats: 2,
      most: 1,
    });
  });

  it('takes v-1 families together', () => {
    const four = seats(['a', 'intel'], ['b', 'amd'], ['c', 'arm'], ['d', 'nitro']);
    expect(vendorBreach(four, { threshold: 3, vendors: 3 })).toBeUndefined();
    expect(vendorBreach(four, { threshold: 2, vendors: 3 })).toMatchObject({ seats: 2, most: 1 });
  });

  it('refuses one operator with t seats, whatever the makes', () => {
    const one = seats(['a', 'intel'], ['a', 'amd'], ['c', 'arm']);
    const breach = { code: 'operator-rule', who: ['a'], seats: 2, most: 1 };
    expect(vendorBreach(one, { threshold: 2, vendors: 2 })).toEqual(breach);
    expect(vendorBreach(one, { threshold: 2, vendors: 1 })).toEqual(breach);
  });

  it('counts a paravisor under both makers, and once in a set that has both', () => {
    const both = seats(['a', 'amd+microsoft'], ['b', 'intel+microsoft'], ['c', 'arm']);
    expect(vendorBreach(both, { threshold: 2, vendors: 2 })).toMatchObject({ who: ['microsoft'] });
    expect(vendorBreach(both.slice(0, 1), { threshold: 2, vendors: 3 })).toBeUndefined();
  });

  it('agrees with trying every set', () => {
    const family = fc.constantFrom('a', 'b', 'c', 'a+b', 'b+d', 'e', 'f');
    const seat = fc.record({ operator: fc.constantFrom('p', 'q', 'r', 's', 't'), family });
    fc.assert(
      fc.property(
        fc.array(seat, { maxLength: 9 }),
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 1, max: 5 }),
        (some, threshold, vendors) => {
          const breached = vendorBreach(some, { threshold, vendors }) !== undefined;
          expect(breached).toBe(naive(some, threshold, vendors));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('fills at most as many seats as mostSeats says', () => {
    const shape = fc.array(fc.record({ f: fc.nat(3), o: fc.nat(4) }), { maxLength: 10 });
    fc.assert(
      fc.property(
        shape,
        fc.integer({ min: 2, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        (some, t, v) => {
          const filled = some.map(({ f, o }) => ({ operator: `o${o}`, family: `f${f}` }));
          if (vendorBreach(filled, { threshold: t, vendors: v }) !== undefined) return;
          expect(filled.length).toBeLessThanOrEqual(mostSeats({ threshold: t, vendors: v }, 4, 5));
        },
      ),
      { numRuns: 500 },
    );
    expect(mostSeats({ threshold: 2, vendors: 2 }, 3, 3)).toBe(3);
    expect(mostSeats({ threshold: 3, vendors: 3 }, 2, 9)).toBe(2);
  });
});

function naive(some: readonly Seat[], t: number, v: number): boolean {
  const held = (has: (s: Seat) => boolean) => some.filter(has).length > t - 1;
  if (some.some(({ operator }) => held((s) => s.operator === operator))) return true;
  const names = [...new Set(some.flatMap((s) => familiesOf(s.family)))];
  for (let set = 0; set < 1 << names.length; set++) {
    const chosen = names.filter((_, i) => (set >> i) & 1);
    if (chosen.length > v - 1) continue;
    if (held((s) => familiesOf(s.family).some((f) => chosen.includes(f)))) return true;
  }
  return false;
}
