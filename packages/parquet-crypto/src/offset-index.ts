// SPDX-License-Identifier: Apache-2.0
// OffsetIndex (parquet-format PageIndex.md) names the place of every data page, so it changes
// whenever pages move. Everything else in it, and the whole column index, stays as it is.
import { malformed } from './errors.ts';
import { ORDINAL_MAX } from './format.ts';
import { i32, i64, structList, type ThriftStruct } from './thrift/struct.ts';

/** A data page that has moved: where it was, where it is, and its size there with its header. */
export interface PageLocation {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/** An OffsetIndex whose pages are where they are now. @throws CodedError `parquet-malformed` */
export function moveOffsetIndex(
  index: ThriftStruct,
  locations: readonly PageLocation[],
): Uint8Array {
  const old = index.structs(1, 'PageLocation', ORDINAL_MAX + 1) ?? [];
  if (old.length !== locations.length) {
    const got = `${old.length} pages, the chunk has ${locations.length}`;
    throw malformed('parquet-malformed', `an offset index has ${got}`);
  }
  const moved = locations.map(({ from, to, size }, i) => {
    const entry = old[i];
    if (entry?.int(1) !== from) {
      throw malformed('parquet-malformed', `an offset index misplaces page ${i}`);
    }
    return entry.edit({ 1: i64(to), 2: i32(size) });
  });
  return index.edit({ 1: structList(moved) });
}
