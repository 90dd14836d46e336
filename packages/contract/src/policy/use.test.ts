// SPDX-License-Identifier: Apache-2.0
// Uses: one encoding for one set, strict on the way in.
import { CodedError, encodeCbor, toHex } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalUses, decodeUses, encodeUses, type Use, type UseRole } from './use.ts';

const roles: UseRole[] = ['join', 'filter', 'group', 'aggregate', 'output'];
const anyUse: fc.Arbitrary<Use> = fc.record({
  statement: fc.nat(2),
  input: fc.nat(3),
  column: fc.nat(40),
  role: fc.constantFrom(...roles),
  function: fc.constantFrom('', 'avg', 'equal'),
  expression: fc.string({ maxLength: 8 }),
  output: fc.nat(3),
});

function codeOf(bytes: Uint8Array): string {
  try {
    decodeUses(bytes);
    return 'ok';
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
}

describe('uses', () => {
  test('the wire form of one use', () => {
    const use: Use = {
      statement: 0,
      input: 1,
      column: 3,
      role: 'aggregate',
      function: 'avg',
      expression: '#3',
      output: 2,
    };
    expect(toHex(encodeUses([use]))).toBe('81870001036961676772656761746563617667622333' + '02');
    expect(decodeUses(encodeUses([use]))).toEqual([use]);
    expect(toHex(encodeUses([]))).toBe('80');
  });

  test('order and repeats do not matter', () => {
    fc.assert(
      fc.property(fc.array(anyUse, { maxLength: 12 }), (uses) => {
        const bytes = encodeUses(uses);
        expect(encodeUses([...uses].reverse().concat(uses))).toEqual(bytes);
        expect(decodeUses(bytes)).toEqual(canonicalUses(uses));
      }),
      { numRuns: 60 },
    );
  });

  test('only the canonical encoding is read', () => {
    const a = [0, 0, 1, 'output', '', '#1', 1];
    const b = [0, 0, 2, 'output', '', '#2', 2];
    expect(codeOf(encodeCbor([a, b]))).toBe('ok');
    expect(codeOf(encodeCbor([b, a]))).toBe('uses-not-canonical');
    expect(codeOf(encodeCbor([a, a]))).toBe('uses-not-canonical');
  });

  test('every field is checked', () => {
    const good = [0, 0, 1, 'output', '', '#1', 1];
    for (const [at, wrong] of [
      [0, -1],
      [0, 1.5],
      [0, '0'],
      [1, -1],
      [2, 2 ** 40],
      [3, 'outputs'],
      [3, 4],
      [4, null],
      [5, 7],
      [6, null],
    ] as const) {
      expect(codeOf(encodeCbor([good.with(at, wrong as never)]))).toBe('uses-malformed');
    }
    expect(codeOf(encodeCbor([good.slice(0, 6)]))).toBe('uses-malformed');
    expect(codeOf(encodeCbor([[...good, 1]]))).toBe('uses-malformed');
    expect(codeOf(encodeCbor({ uses: [good] }))).toBe('uses-malformed');
    expect(codeOf(encodeCbor('x'))).toBe('uses-malformed');
    expect(codeOf(new Uint8Array([0xff, 0, 1]))).toBe('uses-malformed');
    expect(codeOf(new Uint8Array())).toBe('uses-malformed');
  });
});
