// SPDX-License-Identifier: Apache-2.0
// OffsetIndex (parquet-format PageIndex.md) names the place of every data page, so it changes
// whenever pages move. Everything else in it, and the whole column index, stays as it is.
import { parquetError } from './errors.ts';
import { ORDINAL_MAX } from './format.ts';
import { i32, i64, structList, type ThriftStruct } from './thrift/struct.ts';

/**
 * Data pages that have moved, three numbers each: where it was, where it is, and its size there
 * with its header. A large file has a hundred thousand.
 */
export type PageLocations = readonly number[];
export const PER_PAGE = 3;

/**
 * An OffsetIndex whose pages are where they are now.
 * @param locations pages of one chunk; where they are now is counted from `start`
 * @throws CodedError `parquet-malformed`
 */
export function moveOffsetIndex(
  index: ThriftStruct,
  locations: PageLocations,
  start: number,
): Uint8Array {
  const old = index.structs(1, 'PageLocation', ORDINAL_MAX + 1) ?? [];
  const pages = locations.length / PER_PAGE;
  if (old.length !== pages) {
    const got = `${old.length} pages, the chunk has ${pages}`;
    throw parquetError('parquet-malformed', `an offset index has ${got}`);
  }
  const moved = old.map((entry, i) => {
    const [from, to = 0, size = 0] = locations.slice(PER_PAGE * i, PER_PAGE * (i + 1));
    if (entry.int(1) !== from) {
      throw parquetError('parquet-malformed', `an offset index misplaces page ${i}`);
    }
    return entry.edit({ 1: i64(start + to), 2: i32(size) });
  });
  return index.edit({ 1: structList(moved) });
}
