// SPDX-License-Identifier: Apache-2.0
// Walks every page of a file in clear, unused dictionaries too: its framing has to hold, the
// checksum that its header has, if any, over the body as it is stored (parquet.thrift, PageHeader,
// `crc`), and those that GZIP has. What encodings its pages really have is answered, whatever its
// metadata says. Values are not decoded.
import { checkCodec, encodingsOf, pagesOf } from './clear-pages.ts';
import { allChunks, openColumns } from './columns.ts';
import { openParquet } from './footer.ts';
import { GROUP, PAGE, type ParquetLimits } from './format.ts';
import type { LeafColumn } from './schema.ts';
import type { RandomAccess } from './sources-and-sinks.ts';

/** What pages have of one column. */
export interface PagesOfColumn {
  readonly leaf: LeafColumn;
  /** How the values of its data pages are written. */
  readonly encodings: ReadonlySet<string>;
  /** How the levels of its V1 pages are written that say which values are absent. */
  readonly levelEncodings: ReadonlySet<string>;
}

export interface PagesReport {
  readonly pages: number;
  /** Pages with a checksum; each held. */
  readonly withChecksum: number;
  readonly columns: readonly PagesOfColumn[];
  /** Rows of each row group. */
  readonly rowGroups: readonly number[];
}

/**
 * Reads all pages of a file that is not encrypted.
 * @throws CodedError `page-damaged` with column and row group; those of an unreadable footer
 */
export async function checkPages(
  source: RandomAccess,
  options: { readonly limits?: Partial<ParquetLimits> } = {},
): Promise<PagesReport> {
  const file = await openParquet({ source, ...options });
  const columns = await openColumns(file, undefined, allChunks(file));
  const seen = file.schema.leaves.map((leaf) => ({
    leaf,
    encodings: new Set<string>(),
    levelEncodings: new Set<string>(),
  }));
  let pages = 0;
  let withChecksum = 0;
  for (let i = 0; i < columns.length; i++) {
    const column = columns.at(i);
    const of = seen[column.leaf.ordinal];
    for await (const page of pagesOf(file, column)) {
      pages += 1;
      if (page.header.has(PAGE.crc)) withChecksum += 1;
      await checkCodec(page, column);
      if (of === undefined || page.isDictionary) continue;
      const { values, levels } = encodingsOf(page);
      of.encodings.add(values);
      if (levels !== undefined) of.levelEncodings.add(levels);
    }
  }
  const rowGroups = file.rowGroups.map((group) => group.requiredSize(GROUP.rows));
  return { pages, withChecksum, columns: seen, rowGroups };
}
