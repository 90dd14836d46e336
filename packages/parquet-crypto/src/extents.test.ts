// SPDX-License-Identifier: Apache-2.0
// Ranges that touch become one, whatever order they are added in; gaps and overlaps stay visible.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Extents } from './extents.ts';

function sorted(...ranges: readonly [number, number][]): [number, number][] {
  const extents = new Extents();
  for (const [start, end] of ranges) extents.add({ start, end });
  return extents.sorted().map(({ start, end }) => [start, end]);
}

test('pieces of a range, in any order, are the range', () => {
  const cuts = fc.uniqueArray(fc.nat(1000), { minLength: 2 });
  fc.assert(
    fc.property(cuts, fc.infiniteStream(fc.nat(1_000_000)), (at, order) => {
      const ends = [...at].sort((a, b) => a - b);
      const pieces = ends.slice(1).map((end, i): [number, number] => [ends[i] ?? 0, end]);
      const keyed = pieces.map((piece) => ({ piece, key: order.next().value ?? 0 }));
      const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ piece }) => piece);
      expect(sorted(...shuffled)).toEqual([[ends[0], ends[ends.length - 1]]]);
    }),
  );
});

test('a gap, an overlap and a range added twice are not taken for one range', () => {
  expect(sorted([4, 10], [11, 20])).toEqual([
    [4, 10],
    [11, 20],
  ]);
  expect(sorted([4, 10], [9, 20])).toEqual([
    [4, 10],
    [9, 20],
  ]);
  expect(sorted([4, 10], [4, 10])).toEqual([
    [4, 10],
    [4, 10],
  ]);
  expect(sorted([4, 4])).toEqual([]);
});
