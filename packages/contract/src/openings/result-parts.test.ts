// SPDX-License-Identifier: Apache-2.0
// Lists of a result's parts: they come back as they were, and anything else has a code.
import { type Cbor, encodeCbor, isCoded } from '@cloister/core';
import { namedBytes } from '@cloister/testkit/world';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeResultParts, encodeResultParts, PARTS_MAX } from './result-parts.ts';

const idOf = (name: string | number) => namedBytes('parts', `${name}`);
const PARTS = { statements: [[idOf(1)], [idOf(2), idOf(3)]], bundle: idOf('keys') };
const MALFORMED = /^(result-malformed|cbor-(malformed|not-deterministic))$/;

const codeOf = (bytes: Uint8Array): string => {
  try {
    decodeResultParts(bytes);
    return 'read';
  } catch (error) {
    return isCoded(error) ? error.code : `uncoded: ${String(error)}`;
  }
};

describe('the parts of a result', () => {
  it('come back as they were, up to ten thousand', () => {
    expect(decodeResultParts(encodeResultParts(PARTS))).toEqual(PARTS);
    const many = Array.from({ length: PARTS_MAX + 1 }, (_, i) => idOf(i));
    const { bundle } = PARTS;
    const whole = { statements: [many.slice(0, PARTS_MAX)], bundle };
    expect(decodeResultParts(encodeResultParts(whole))).toEqual(whole);
    expect(codeOf(encodeResultParts({ statements: [many], bundle }))).toBe('result-malformed');
  });

  const [one, two, three, keys] = [idOf(1), idOf(2), idOf(3), idOf('keys')];
  const wrong: Record<string, unknown> = {
    'another version': [2, [[one]], two],
    'no bundle': [1, [[one]]],
    'something more': [1, [[one]], two, 0],
    'no statement': [1, [], two],
    'more statements than a code has': [1, Array.from({ length: 101 }, (_, i) => [idOf(i)]), keys],
    'a statement without a part': [1, [[one], []], two],
    'a part that is short': [1, [[one.slice(1)]], two],
    'a part that is text': [1, [['x']], two],
    'a bundle that is short': [1, [[one]], two.slice(1)],
    'a part twice': [1, [[one, one]], two],
    'a part of two statements': [1, [[one], [three, one]], two],
    'a part that is the bundle': [1, [[one]], one],
    'a map': { statements: [[one]], bundle: two },
    nothing: null,
    'statements that are a map': [1, { a: [one] }, two],
  };
  it.each(Object.entries(wrong))('with %s are refused', (_what, value) => {
    expect(codeOf(encodeCbor(value as Cbor))).toBe('result-malformed');
  });

  it('cut short, or of any bytes, are refused with a code', () => {
    const bytes = encodeResultParts(PARTS);
    for (let end = 0; end < bytes.length; end++) {
      expect(codeOf(bytes.slice(0, end))).toMatch(MALFORMED);
    }
    expect(codeOf(new Uint8Array(400_000))).toBe('result-malformed');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(codeOf(junk)).toMatch(MALFORMED);
      }),
    );
  });
});
