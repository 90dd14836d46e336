// SPDX-License-Identifier: Apache-2.0
// Seals the pages and side modules of one column chunk into a file that is being written, and keeps
// what its metadata must say afterwards. Bytes are moved, never decoded.
//
// Invariants: every module is sealed under the column's key with the AAD of its place; page
// checksums are dropped, since readers check them over ciphertext and tags replace them; every
// position that the metadata names is rewritten.
import type { BatchedSink } from './batched-sink.ts';
import type { OpenColumn } from './columns.ts';
import { overLimit } from './errors.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN, PAGE } from './format.ts';
import {
  type AesKey,
  CTR_OVERHEAD,
  type EncryptionAlgorithm,
  type FileAad,
  GCM_OVERHEAD,
  MODULE,
  sealGcm,
  sealPageBody,
} from './modules.ts';
import { moveOffsetIndex, type PageLocation } from './offset-index.ts';
import { type Page, pagesOf } from './pages.ts';
import { readBloomFilter, readIndex } from './side-modules.ts';
import { type Edits, i32, i64, parseStruct, type ThriftValue } from './thrift/struct.ts';

/** Where the modules of a chunk go, and under what. */
export interface Sealer {
  readonly file: OpenFile;
  readonly out: BatchedSink;
  readonly aad: FileAad;
  readonly algorithm: EncryptionAlgorithm;
}

/** A chunk whose pages are written and whose metadata is not. */
export interface SealedChunk {
  readonly column: OpenColumn;
  readonly key: AesKey;
  readonly metadata: Record<number, ThriftValue | undefined>;
  readonly chunk: Record<number, ThriftValue | undefined>;
  /** New places of data pages, where the chunk has an offset index. */
  readonly locations: readonly PageLocation[];
  readonly start: number;
  readonly size: number;
  readonly growth: number;
  readonly pages: number;
}

/** Sizes are 32-bit signed integers in page headers. */
const PAGE_BYTES_MAX = 0x7fffffff;

/** Seals all pages of a chunk. */
export async function sealPages(
  sealer: Sealer,
  column: OpenColumn,
  key: AesKey,
): Promise<SealedChunk> {
  const { out } = sealer;
  const { metadata, chunk } = column;
  const indexed = chunk.has(CHUNK.offsetIndexOffset);
  const start = out.position;
  const locations: PageLocation[] = [];
  let pages = 0;
  let dictionary: number | undefined;
  let firstData: number | undefined;
  for await (const page of pagesOf(sealer.file, column)) {
    const at = out.position;
    await sealPage(sealer, column, key, page);
    pages++;
    if (page.isDictionary) dictionary = at;
    else firstData ??= at;
    if (indexed && !page.isDictionary) {
      locations.push({ from: page.offset, to: at, size: out.position - at });
    }
  }
  const size = out.position - start;
  const growth = size - (column.end - column.start);
  const edits: Edits = {
    [COLUMN.compressedSize]: i64(size),
    [COLUMN.uncompressedSize]: i64(metadata.requiredSize(COLUMN.uncompressedSize) + growth),
    [COLUMN.dataPageOffset]: i64(firstData ?? out.position),
    [COLUMN.dictionaryPageOffset]: dictionary === undefined ? undefined : i64(dictionary),
    [COLUMN.indexPageOffset]: undefined,
  };
  return { column, key, metadata: { ...edits }, chunk: {}, locations, start, size, growth, pages };
}

async function sealPage(
  sealer: Sealer,
  column: OpenColumn,
  key: AesKey,
  page: Page,
): Promise<void> {
  const { rowGroup, leaf } = column;
  const { aad, out } = sealer;
  const aadOf = (dictionary: number, data: number): Uint8Array =>
    page.isDictionary
      ? aad.chunk(dictionary, rowGroup, leaf.ordinal)
      : aad.page(data, rowGroup, leaf.ordinal, page.ordinal);
  const headerAad = aadOf(MODULE.dictionaryPageHeader, MODULE.dataPageHeader);
  const ctr = sealer.algorithm === 'AES_GCM_CTR_V1';
  const size = page.bodyLength + (ctr ? CTR_OVERHEAD : GCM_OVERHEAD);
  if (size > PAGE_BYTES_MAX) throw overLimit('a page', size, PAGE_BYTES_MAX);
  const header = page.header.edit({ [PAGE.compressedSize]: i32(size), [PAGE.crc]: undefined });
  await out.write(sealGcm(key, headerAad, header));
  const bodyAad = ctr ? undefined : aadOf(MODULE.dictionaryPage, MODULE.dataPage);
  await out.push(sealPageBody(key, bodyAad, await page.body, sealer.file.pool), size);
}

/** Seals bloom filter, column index and offset index of a chunk, where it has them. */
export async function sealSideModules(sealer: Sealer, sealed: SealedChunk): Promise<void> {
  const { file, out, aad } = sealer;
  const { column, key } = sealed;
  const { leaf, rowGroup } = column;
  const seal = async (...modules: [type: number, plain: Uint8Array][]) => {
    const at = out.position;
    for (const [type, plain] of modules) {
      await out.write(sealGcm(key, aad.chunk(type, rowGroup, leaf.ordinal), plain));
    }
    return { offset: i64(at), length: i32(out.position - at) };
  };
  const bloom = await readBloomFilter(file, column);
  if (bloom !== undefined) {
    const { header, bitset } = bloom;
    const place = await seal(
      [MODULE.bloomFilterHeader, header],
      [MODULE.bloomFilterBitset, bitset],
    );
    sealed.metadata[COLUMN.bloomFilterOffset] = place.offset;
    sealed.metadata[COLUMN.bloomFilterLength] = place.length;
  }
  const columnIndex = await readIndex(file, column, 'column');
  if (columnIndex !== undefined) {
    const place = await seal([MODULE.columnIndex, columnIndex]);
    sealed.chunk[CHUNK.columnIndexOffset] = place.offset;
    sealed.chunk[CHUNK.columnIndexLength] = place.length;
  }
  const offsetIndex = await readIndex(file, column, 'offset');
  if (offsetIndex !== undefined) {
    const moved = moveOffsetIndex(parseStruct('OffsetIndex', offsetIndex), sealed.locations);
    const place = await seal([MODULE.offsetIndex, moved]);
    sealed.chunk[CHUNK.offsetIndexOffset] = place.offset;
    sealed.chunk[CHUNK.offsetIndexLength] = place.length;
  }
}
