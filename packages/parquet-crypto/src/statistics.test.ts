// SPDX-License-Identifier: Apache-2.0
// Bounds are read as they stand; where one is missing there are none.
import { expect, it } from 'vitest';
import { mintParquet } from '../testing/mint.ts';
import { COLUMN } from './format.ts';
import { bufferSource } from './sources-and-sinks.ts';
import { boundsOf } from './statistics.ts';
import { binary, type Edits, encodeStruct, i64, struct } from './thrift/struct.ts';

const [least, greatest] = [Uint8Array.of(1, 0, 0, 0), Uint8Array.of(9, 0, 0, 0)];

function bounds(statistics: Edits | undefined, rowGroups = 1) {
  const said = statistics && { [COLUMN.statistics]: struct(encodeStruct(statistics)) };
  const shape = { columns: 2, rowGroups, valuesPerPage: 3, ...(said && { metadata: said }) };
  return boundsOf(bufferSource(mintParquet(shape)), 1);
}

it('bounds of each row group', async () => {
  const both = { 5: binary(greatest), 6: binary(least) };
  expect(await bounds(both, 2)).toEqual([least, greatest, least, greatest]);
});

it.each<[string, Edits | undefined]>([
  ['no statistics', undefined],
  ['no least', { 5: binary(greatest) }],
  ['no greatest', { 6: binary(least) }],
  ['those of an older order', { 1: binary(greatest), 2: binary(least) }],
  ['some that are absent', { 3: i64(2) }],
])('with %s there are none', async (_, statistics) => {
  expect(await bounds(statistics)).toBeUndefined();
});

it('a row group without values has none, and needs none', async () => {
  expect(await bounds({ 3: i64(3) })).toEqual([]);
});
