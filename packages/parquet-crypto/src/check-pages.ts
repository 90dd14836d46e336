// SPDX-License-Identifier: Apache-2.0
// Walks every page of a file in clear, unused dictionaries too: its framing has to hold, and the
// checksum that its header has, if any, over the body as it is stored (parquet.thrift, PageHeader,
// `crc`). What encodings its pages really have is answered, whatever its metadata says. Values are
// not decoded.
import { crc32 } from 'node:zlib';
import { isCoded } from '@cloister/core';
import { ByteQueue } from './byte-queue.ts';
import { taskOf } from './chunk-task.ts';
import { allChunks, type OpenColumn, openColumns } from './columns.ts';
import { parquetError } from './errors.ts';
import { type OpenFile, openParquet } from './footer.ts';
import { ENCODINGS, GROUP, PAGE, type ParquetLimits } from './format.ts';
import { type Page, PageReader } from './pages.ts';
import type { LeafColumn } from './schema.ts';
import type { RandomAccess } from './sources-and-sinks.ts';
import { readWindows } from './windows.ts';

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

/** Fields of DataPageHeader and DataPageHeaderV2. */
const V1 = { encoding: 2, definitionLevels: 3 } as const;
const V2 = { encoding: 4 } as const;

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
      if (of === undefined || page.isDictionary) continue;
      const v1 = page.header.struct(PAGE.data, 'DataPageHeader');
      const v2 = page.header.struct(PAGE.dataV2, 'DataPageHeaderV2');
      of.encodings.add(named(v1?.int(V1.encoding) ?? v2?.int(V2.encoding)));
      if (v1 !== undefined) of.levelEncodings.add(named(v1.int(V1.definitionLevels)));
    }
  }
  const rowGroups = file.rowGroups.map((group) => group.requiredSize(GROUP.rows));
  return { pages, withChecksum, columns: seen, rowGroups };
}

function named(encoding = -1): string {
  return ENCODINGS[encoding] ?? `ENCODING_${encoding}`;
}

async function* pagesOf(file: OpenFile, column: OpenColumn): AsyncGenerator<Page> {
  const task = taskOf(file, column, 'nothing');
  try {
    const queue = new ByteQueue();
    const reader = new PageReader(task, queue);
    for await (const { bytes } of readWindows(file.source, task)) {
      queue.push(bytes);
      for (let page = reader.next(); page !== undefined; page = reader.next()) {
        checkSum(page, column);
        yield page;
      }
    }
    reader.end();
  } catch (error) {
    // What this build does not handle is told as that; all else at this place is damage.
    const is = isCoded(error) && error.kind === 'malformed' && error.code !== 'page-damaged';
    throw is ? damaged(column, error.message) : error;
  }
}

function checkSum({ header, body, ordinal }: Page, column: OpenColumn): void {
  const wanted = header.int(PAGE.crc);
  if (wanted === undefined) return;
  let got = 0;
  for (const part of body) got = crc32(part, got);
  // Thrift has it as a signed number.
  if (got === wanted >>> 0) return;
  const page = ordinal === undefined ? 'its dictionary page' : `page ${ordinal}`;
  throw damaged(column, `${page} has not the checksum that its header says`);
}

/** The column is named here alone: what is behind the colon speaks of it. */
function damaged({ leaf, rowGroup }: OpenColumn, why: string): Error {
  const message = `column ${leaf.path} is damaged in row group ${rowGroup}: ${why}`;
  return parquetError('page-damaged', message, { details: { column: leaf.path, rowGroup } });
}
