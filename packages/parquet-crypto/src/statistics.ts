// SPDX-License-Identifier: Apache-2.0
// What the footer says of the least and the greatest value of a column, chunk by chunk
// (parquet.thrift, Statistics). A claim of the writer's: it tells where looking is worth it.
import { chunksOf, DataKeys, openColumn } from './columns.ts';
import { openParquet } from './footer.ts';
import { COLUMN } from './format.ts';
import type { RandomAccess } from './sources-and-sinks.ts';

/** Those of the order of the column's type; older ones, of another order, are not read. */
const STATISTICS = { nulls: 3, greatest: 5, least: 6 } as const;

/**
 * Bounds of the values of each row group of a clear file, as PLAIN has them without a length, both
 * one after another; undefined where a row group with values has none.
 * @throws CodedError those of an unreadable footer
 */
export async function boundsOf(
  source: RandomAccess,
  ordinal: number,
): Promise<readonly Uint8Array[] | undefined> {
  const file = await openParquet({ source });
  const leaf = file.schema.leaves[ordinal];
  if (leaf === undefined) return undefined;
  const keys = new DataKeys(undefined);
  const bounds: Uint8Array[] = [];
  for (let rowGroup = 0; rowGroup < file.rowGroups.length; rowGroup++) {
    const chunk = chunksOf(file, rowGroup)[ordinal];
    if (chunk === undefined) return undefined;
    const { metadata } = await openColumn(file, keys, { rowGroup, chunk, leaf });
    const statistics = metadata.struct(COLUMN.statistics, 'Statistics');
    const values = metadata.requiredSize(COLUMN.values);
    if (values === 0 || statistics?.size(STATISTICS.nulls) === values) continue;
    const least = statistics?.binary(STATISTICS.least);
    const greatest = statistics?.binary(STATISTICS.greatest);
    if (least === undefined || greatest === undefined) return undefined;
    bounds.push(least, greatest);
  }
  return bounds;
}
