// SPDX-License-Identifier: Apache-2.0
// The pages of a column chunk in clear, each with its checksum checked where it has one
// (parquet.thrift, PageHeader, `crc`), and of a whole column what reading its values takes.
import { crc32 } from 'node:zlib';
import { isCoded } from '@cloister/core';
import { ByteQueue } from './byte-queue.ts';
import { joinBytes } from './bytes.ts';
import { taskOf } from './chunk-task.ts';
import { type OpenColumn, openColumns } from './columns.ts';
import { parquetError } from './errors.ts';
import { type OpenFile, openParquet } from './footer.ts';
import { CODECS, COLUMN, ENCODINGS, PAGE } from './format.ts';
import { holdsAsGzip } from './gzip-pages.ts';
import { type Page, PageReader } from './pages.ts';
import type { RandomAccess } from './sources-and-sinks.ts';
import { readWindows } from './windows.ts';

/** Fields of DataPageHeader, DataPageHeaderV2 and DictionaryPageHeader. */
const V1 = { encoding: 2, definitionLevels: 3 } as const;
const V2 = { encoding: 4, definitionBytes: 5, repetitionBytes: 6, isCompressed: 7 } as const;
const DICTIONARY = { values: 1 } as const;

/** A page of values as a clear file stores it. */
export interface StoredPage {
  readonly isDictionary: boolean;
  /** Of a data page with those that are absent. */
  readonly values: number;
  /** How they are written: a name of parquet-format, Encodings.md. */
  readonly encoding: string;
  /** The levels of a V2 page, which come first and are never compressed, in bytes. */
  readonly levels: { readonly repetition: number; readonly definition: number } | undefined;
  /** As it is stored. */
  readonly body: Uint8Array;
  /** The codec that what follows those levels is compressed with. */
  readonly codec: string;
  /** Bytes of the whole body without compression. */
  readonly plainBytes: number;
}

/**
 * The pages of one column, row group by row group.
 * @param ordinal of the leaf, from 0
 * @throws CodedError `page-damaged` with column and row group; those of an unreadable footer
 */
export async function* storedPages(
  source: RandomAccess,
  ordinal: number,
): AsyncGenerator<StoredPage> {
  const file = await openParquet({ source });
  const leaves = file.schema.leaves.filter((leaf) => leaf.ordinal === ordinal);
  const rowGroups = file.rowGroups.map((_, group) => group);
  const columns = await openColumns(file, undefined, { leaves, rowGroups });
  for (let i = 0; i < columns.length; i++) {
    const column = columns.at(i);
    const codec = CODECS[column.metadata.requiredInt(COLUMN.codec)] ?? 'unknown';
    for await (const page of pagesOf(file, column)) yield stored(page, codec);
  }
}

function stored(page: Page, codec: string): StoredPage {
  const { header, isDictionary, body } = page;
  const v2 = header.struct(PAGE.dataV2, 'DataPageHeaderV2');
  const inner = header.struct(PAGE.dictionary, 'DictionaryPageHeader');
  return {
    isDictionary,
    values: isDictionary ? (inner?.requiredSize(DICTIONARY.values) ?? 0) : page.values,
    encoding: isDictionary ? 'PLAIN' : encodingsOf(page).values,
    levels: v2 && {
      repetition: v2.requiredSize(V2.repetitionBytes),
      definition: v2.requiredSize(V2.definitionBytes),
    },
    body: body.length === 1 ? (body[0] as Uint8Array) : joinBytes(body),
    codec: v2?.bool(V2.isCompressed) === false ? 'UNCOMPRESSED' : codec,
    plainBytes: header.requiredSize(PAGE.uncompressedSize),
  };
}

/** How the values of a data page are written, and of a V1 page which of them are absent. */
export function encodingsOf({ header }: Page): { values: string; levels: string | undefined } {
  const v1 = header.struct(PAGE.data, 'DataPageHeader');
  const v2 = header.struct(PAGE.dataV2, 'DataPageHeaderV2');
  const levels = v1 === undefined ? undefined : named(v1.int(V1.definitionLevels));
  return { values: named(v1?.int(V1.encoding) ?? v2?.int(V2.encoding)), levels };
}

function named(encoding = -1): string {
  return ENCODINGS[encoding] ?? `ENCODING_${encoding}`;
}

/**
 * The pages of one chunk, with checksums checked.
 * @throws CodedError `page-damaged` with column and row group
 */
export async function* pagesOf(file: OpenFile, column: OpenColumn): AsyncGenerator<Page> {
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

function checkSum(page: Page, column: OpenColumn): void {
  const { header, body } = page;
  const wanted = header.int(PAGE.crc);
  if (wanted === undefined) return;
  let got = 0;
  for (const part of body) got = crc32(part, got);
  // Thrift has it as a signed number.
  if (got === wanted >>> 0) return;
  throw damaged(column, `${nameOf(page)} has not the checksum that its header says`);
}

/**
 * Checks what the page's codec says of its values, where it says something that readers skip.
 * @throws CodedError `page-damaged` with column and row group
 */
export async function checkCodec(page: Page, column: OpenColumn): Promise<void> {
  const { header, body } = page;
  if (CODECS[column.metadata.requiredInt(COLUMN.codec)] !== 'GZIP') return;
  const v2 = header.struct(PAGE.dataV2, 'DataPageHeaderV2');
  if (v2?.bool(V2.isCompressed) === false) return;
  const levels =
    v2 === undefined
      ? 0
      : v2.requiredSize(V2.repetitionBytes) + v2.requiredSize(V2.definitionBytes);
  const length = header.requiredSize(PAGE.uncompressedSize) - levels;
  const values = levels === 0 ? body : [joinBytes(body).subarray(levels)];
  if (length >= 0 && (await holdsAsGzip(values, length))) return;
  const what = 'has not the checksum or the length that its compressed values end with';
  throw damaged(column, `${nameOf(page)} ${what}`);
}

function nameOf({ ordinal }: Page): string {
  return ordinal === undefined ? 'its dictionary page' : `page ${ordinal}`;
}

/** The column is named here alone: what is behind the colon speaks of it. */
function damaged({ leaf, rowGroup }: OpenColumn, why: string): Error {
  const message = `column ${leaf.path} is damaged in row group ${rowGroup}: ${why}`;
  return parquetError('page-damaged', message, { details: { column: leaf.path, rowGroup } });
}
