// SPDX-License-Identifier: Apache-2.0
// Decrypts some columns, and some row groups, of an encrypted Parquet file into a plain Parquet
// file of just those. Only the footer and the byte ranges of what is asked for are read, so the
// source may be HTTP ranges or ranges checked against a digest tree.
//
// Invariants: nothing reaches the sink before its tag has held (under AES_GCM_CTR_V1 page bodies
// have none, which the report says); all keys are found before any page is read; on any error the
// sink holds a file without an end, which no reader opens; columns in clear inside an encrypted
// file are refused unless the caller allows them, since nothing authenticates their bytes.
import { BatchedSink } from './batched-sink.ts';
import type { ChunkReader } from './chunk-reader.ts';
import { chunksOf, DataKeys, Extents, type OpenColumn, openColumn } from './columns.ts';
import type { CryptoPool } from './crypto-pool.ts';
import { footerTail } from './encrypted-metadata.ts';
import { misused, overLimit, refused } from './errors.ts';
import { type OpenFile, openParquet } from './footer.ts';
import { CHUNK, COLUMN, FILE, GROUP, MAGIC_CLEAR, PAGE, type ParquetLimits } from './format.ts';
import type { ByteSink, Progress, RandomAccess } from './io.ts';
import type { KeyProvider } from './keys.ts';
import type { EncryptionAlgorithm } from './modules.ts';
import { moveOffsetIndex, type PageLocation } from './offset-index.ts';
import { pagesOf, startReading } from './pages.ts';
import { type LeafColumn, LeafIndex, projectSchema } from './schema.ts';
import { readBloomFilter, readIndex } from './side-modules.ts';
import { TYPE } from './thrift/compact.ts';
import {
  type Edits,
  i16,
  i32,
  i64,
  list,
  parseStruct,
  struct,
  structList,
  type ThriftStruct,
} from './thrift/struct.ts';

/** What to decrypt. */
export interface DecryptOptions {
  readonly source: RandomAccess;
  readonly sink: ByteSink;
  readonly keys: KeyProvider;
  /** Dotted paths of columns, or of groups for all under them. */
  readonly columns: readonly string[];
  /** Row groups by position, ascending; all where absent. */
  readonly rowGroups?: readonly number[];
  /** The AAD prefix that the file must have; where absent, a stored one is taken as it is. */
  readonly aadPrefix?: Uint8Array;
  /** Algorithms to accept; both where absent. */
  readonly algorithms?: readonly EncryptionAlgorithm[];
  /** Accept columns that an encrypted file holds in clear; false where absent. */
  readonly allowClearColumns?: boolean;
  /** Accept V2 pages whose levels are in clear, as parquet-java writes them; false where absent. */
  readonly allowClearLevels?: boolean;
  /** Threads for large pages; the calling thread alone where absent. */
  readonly pool?: CryptoPool;
  /** Called after each column chunk. */
  readonly onProgress?: (progress: Progress) => void;
  readonly limits?: Partial<ParquetLimits>;
}

/** What was decrypted. */
export interface DecryptReport {
  readonly rows: number;
  readonly rowGroups: number;
  readonly columns: readonly LeafColumn[];
  readonly algorithm: EncryptionAlgorithm;
  /** False where a page body carries no tag: AES_GCM_CTR_V1, columns or levels in clear. */
  readonly authenticated: boolean;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

interface PlainChunk {
  readonly column: OpenColumn;
  readonly edits: Record<number, Edits[number]>;
  readonly chunkEdits: Record<number, Edits[number]>;
  readonly locations: readonly PageLocation[];
  readonly start: number;
  readonly size: number;
  readonly uncompressedSize: number;
  readonly authenticated: boolean;
}

/**
 * Writes a plain Parquet file of the named columns.
 * @throws CodedError `parquet-clear`, `key-missing`, `tag-invalid`, `aad-prefix-mismatch`,
 *   `column-unknown`, `column-clear`, `row-group-unknown`, and what malformed bytes give
 */
export async function decryptProjection(options: DecryptOptions): Promise<DecryptReport> {
  const file = await openParquet(options);
  const { crypto } = file;
  if (crypto === undefined) throw refused('parquet-clear', 'the file is not encrypted');
  if (options.algorithms !== undefined && !options.algorithms.includes(crypto.algorithm)) {
    throw refused('algorithm-unknown', `${crypto.algorithm} is not among the accepted algorithms`);
  }
  if (options.columns.length === 0) throw misused('options-invalid', 'no columns were named');
  const leaves = new LeafIndex(file.schema).select(options.columns);
  const groups = rowGroupsOf(file, options.rowGroups);
  const opened = await openColumns(file, options, leaves, groups);
  const out = new BatchedSink(options.sink, options.pool?.threads);
  const written = await out.settled(() =>
    writeProjection(file, leaves, groups, opened, out, options),
  );
  return {
    rows: rowsOf(file, groups),
    rowGroups: groups.length,
    columns: leaves,
    algorithm: crypto.algorithm,
    authenticated: written.every((chunk) => chunk.authenticated),
    bytesRead: file.source.bytesRead,
    bytesWritten: out.position,
  };
}

async function writeProjection(
  file: OpenFile,
  leaves: readonly LeafColumn[],
  groups: readonly number[],
  opened: readonly OpenColumn[][],
  out: BatchedSink,
  options: DecryptOptions,
): Promise<PlainChunk[]> {
  await out.write([Buffer.from(MAGIC_CLEAR, 'latin1')]);
  const written = await copyChunks(file, opened, out, options.onProgress);
  for (const chunk of written.flat()) await copySideModules(file, chunk, out);
  const rowGroups = written.map((chunks, i) => rowGroupOf(file, groups[i] ?? 0, i, chunks));
  const footer = plainFooter(file, leaves, rowsOf(file, groups), rowGroups);
  await out.write([footer, footerTail(footer.length, MAGIC_CLEAR)]);
  await out.flush();
  return written.flat();
}

function rowsOf(file: OpenFile, groups: readonly number[]): number {
  return groups.reduce((sum, g) => sum + (file.rowGroups[g]?.size(GROUP.rows) ?? 0), 0);
}

function rowGroupsOf(file: OpenFile, wanted: readonly number[] | undefined): readonly number[] {
  if (wanted === undefined) return file.rowGroups.map((_, g) => g);
  wanted.forEach((g, i) => {
    if (!Number.isInteger(g) || g < 0 || g >= file.rowGroups.length) {
      throw misused('row-group-unknown', `no row group ${g}; there are ${file.rowGroups.length}`);
    }
    if (i > 0 && g <= (wanted[i - 1] ?? 0)) {
      throw misused('options-invalid', 'row groups are not ascending');
    }
  });
  return wanted;
}

/** All chunks that will be read, with their keys: a missing key shows before any page is read. */
async function openColumns(
  file: OpenFile,
  options: DecryptOptions,
  leaves: readonly LeafColumn[],
  groups: readonly number[],
): Promise<OpenColumn[][]> {
  const keys = new DataKeys(options.keys);
  const extents = new Extents(file);
  const out: OpenColumn[][] = [];
  for (const rowGroup of groups) {
    const chunks = chunksOf(file, rowGroup);
    const columns: OpenColumn[] = [];
    for (const leaf of leaves) {
      const chunk = chunks[leaf.ordinal];
      if (chunk === undefined) throw new Error('assertion failed: a chunk for each leaf');
      const column = await openColumn(file, keys, { rowGroup, chunk, leaf });
      if (column.key === undefined && options.allowClearColumns !== true) {
        throw refused('column-clear', `column ${leaf.path} is in clear: nothing vouches for it`);
      }
      extents.add(column);
      columns.push(column);
    }
    out.push(columns);
  }
  return out;
}

/** Copies all chunks in order; while one is copied the next is already being read. */
async function copyChunks(
  file: OpenFile,
  opened: readonly OpenColumn[][],
  out: BatchedSink,
  onProgress: DecryptOptions['onProgress'],
): Promise<PlainChunk[][]> {
  const order = opened.flat();
  const copied: PlainChunk[] = [];
  let ahead = order[0] && startReading(file, order[0]);
  for (const [i, column] of order.entries()) {
    const reader = ahead ?? startReading(file, column);
    const next = order[i + 1];
    ahead = next && startReading(file, next);
    copied.push(await copyChunk(file, column, reader, out));
    onProgress?.({ done: i + 1, of: order.length, bytesRead: file.source.bytesRead });
  }
  let at = 0;
  return opened.map((columns) => {
    at += columns.length;
    return copied.slice(at - columns.length, at);
  });
}

async function copyChunk(
  file: OpenFile,
  column: OpenColumn,
  reader: ChunkReader,
  out: BatchedSink,
): Promise<PlainChunk> {
  const { metadata, chunk } = column;
  const indexed = chunk.has(CHUNK.offsetIndexOffset);
  const start = out.position;
  const locations: PageLocation[] = [];
  let dictionary: number | undefined;
  let firstData: number | undefined;
  let authenticated = true;
  for await (const page of pagesOf(file, column, reader)) {
    const at = out.position;
    const edits = { [PAGE.compressedSize]: i32(page.bodyLength), [PAGE.crc]: undefined };
    await out.write([page.header.edit(edits)]);
    await out.push(page.body, page.bodyLength);
    authenticated &&= page.authenticated;
    if (page.isDictionary) dictionary = at;
    else firstData ??= at;
    if (indexed && !page.isDictionary) {
      locations.push({ from: page.offset, to: at, size: out.position - at });
    }
  }
  const size = out.position - start;
  const shrunk = column.end - column.start - size;
  const uncompressedSize = Math.max(0, metadata.requiredSize(COLUMN.uncompressedSize) - shrunk);
  const edits = {
    [COLUMN.compressedSize]: i64(size),
    [COLUMN.uncompressedSize]: i64(uncompressedSize),
    [COLUMN.dataPageOffset]: i64(firstData ?? out.position),
    [COLUMN.dictionaryPageOffset]: dictionary === undefined ? undefined : i64(dictionary),
    [COLUMN.indexPageOffset]: undefined,
  };
  const chunkEdits = {
    [CHUNK.fileOffset]: i64(0),
    [CHUNK.cryptoMetadata]: undefined,
    [CHUNK.encryptedMetadata]: undefined,
  };
  return { column, edits, chunkEdits, locations, start, size, uncompressedSize, authenticated };
}

async function copySideModules(file: OpenFile, chunk: PlainChunk, out: BatchedSink): Promise<void> {
  const { column, edits, chunkEdits } = chunk;
  const bloom = await readBloomFilter(file, column);
  if (bloom !== undefined) {
    edits[COLUMN.bloomFilterOffset] = i64(out.position);
    edits[COLUMN.bloomFilterLength] = i32(bloom.header.length + bloom.bitset.length);
    await out.write([bloom.header, bloom.bitset]);
  }
  const columnIndex = await readIndex(file, column, 'column');
  if (columnIndex !== undefined) {
    chunkEdits[CHUNK.columnIndexOffset] = i64(out.position);
    chunkEdits[CHUNK.columnIndexLength] = i32(columnIndex.length);
    await out.write([columnIndex]);
  }
  const offsetIndex = await readIndex(file, column, 'offset');
  if (offsetIndex !== undefined) {
    const moved = moveOffsetIndex(parseStruct('OffsetIndex', offsetIndex), chunk.locations);
    chunkEdits[CHUNK.offsetIndexOffset] = i64(out.position);
    chunkEdits[CHUNK.offsetIndexLength] = i32(moved.length);
    await out.write([moved]);
  }
}

function rowGroupOf(
  file: OpenFile,
  from: number,
  ordinal: number,
  chunks: readonly PlainChunk[],
): Uint8Array {
  const group = file.rowGroups[from];
  if (group === undefined) throw new Error('assertion failed: a row group');
  const columns = chunks.map((chunk) =>
    chunk.column.chunk.edit({
      ...chunk.chunkEdits,
      [CHUNK.metadata]: struct(chunk.column.metadata.edit(chunk.edits)),
    }),
  );
  const total = (size: (chunk: PlainChunk) => number): number =>
    chunks.reduce((sum, chunk) => sum + size(chunk), 0);
  return group.edit({
    [GROUP.columns]: structList(columns),
    [GROUP.totalByteSize]: i64(total((c) => c.uncompressedSize)),
    [GROUP.sortingColumns]: projectSorting(group, chunks),
    [GROUP.fileOffset]: i64(chunks[0]?.start ?? MAGIC_CLEAR.length),
    [GROUP.totalCompressedSize]: i64(total((c) => c.size)),
    [GROUP.ordinal]: i16(ordinal),
  });
}

/** The order of rows that still holds: the sorting columns up to the first that is not here. */
function projectSorting(group: ThriftStruct, chunks: readonly PlainChunk[]): Edits[number] {
  const sorting = group.structs(GROUP.sortingColumns, 'SortingColumn', 0x8000);
  if (sorting === undefined) return undefined;
  const kept: Uint8Array[] = [];
  for (const column of sorting) {
    const at = chunks.findIndex((c) => c.column.leaf.ordinal === column.int(1));
    if (at < 0) break;
    kept.push(column.edit({ 1: i32(at) }));
  }
  return kept.length === 0 ? undefined : structList(kept);
}

/** Key-value metadata that describes all columns of a file, and would be wrong of some of them. */
const WHOLE_SCHEMA_KEYS = new Set([
  'ARROW:schema',
  'pandas',
  'org.apache.spark.sql.parquet.row.metadata',
  'parquet.avro.schema',
  'writer.model.name',
]);

function plainFooter(
  file: OpenFile,
  leaves: readonly LeafColumn[],
  rows: number,
  rowGroups: readonly Uint8Array[],
): Uint8Array {
  const { metadata, schema } = file;
  const all = leaves.length === schema.leaves.length;
  const footer = metadata.edit({
    [FILE.schema]: projectSchema(schema, new Set(leaves)),
    [FILE.rows]: i64(rows),
    [FILE.rowGroups]: structList(rowGroups),
    ...(all ? {} : { [FILE.keyValues]: projectKeyValues(metadata) }),
    [FILE.columnOrders]: projectOrders(metadata, schema.leaves.length, leaves),
    [FILE.encryptionAlgorithm]: undefined,
    [FILE.footerSigningKeyMetadata]: undefined,
  });
  if (footer.length > 0xffffffff) throw overLimit('the footer', footer.length, 0xffffffff);
  return footer;
}

function projectKeyValues(metadata: ThriftStruct): Edits[number] {
  const pairs = metadata.structs(FILE.keyValues, 'KeyValue', 0x100000);
  const kept = pairs?.filter((pair) => !WHOLE_SCHEMA_KEYS.has(pair.text(1) ?? ''));
  if (kept === undefined || kept.length === 0) return undefined;
  return structList(kept.map((pair) => pair.edit({})));
}

function projectOrders(
  metadata: ThriftStruct,
  count: number,
  leaves: readonly LeafColumn[],
): Edits[number] {
  const orders = metadata.rawStructs(FILE.columnOrders, 0x8000);
  if (orders === undefined) return undefined;
  if (orders.length !== count) return undefined;
  return list(
    TYPE.struct,
    leaves.map((leaf) => orders[leaf.ordinal] ?? new Uint8Array(0)),
  );
}
