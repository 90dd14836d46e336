// SPDX-License-Identifier: Apache-2.0
// Encrypts a plain Parquet file module by module (Encryption.md): pages, indexes and bloom filters
// are moved, never decoded, and each is sealed under the key of its column with the AAD of its
// place. Memory is bounded by the footer and a few windows, whatever the size of the file.
//
// Invariants: complete columns (a column without a key is refused, never left in clear); one fresh
// data key a column; page checksums are dropped, because tags replace them and readers would check
// them over ciphertext; whatever position the metadata names is rewritten.
import { randomBytes } from 'node:crypto';
import { BatchedSink } from './batched-sink.ts';
import { chunksOf, DataKeys, type OpenColumn, openColumn } from './columns.ts';
import { encodeCrypto, encodeFooter, encodeSealedColumn } from './encrypted-metadata.ts';
import { misused, overLimit } from './errors.ts';
import { type OpenFile, openParquet } from './footer.ts';
import {
  CHUNK,
  COLUMN,
  FILE,
  GROUP,
  MAGIC_ENCRYPTED,
  ORDINAL_MAX,
  PAGE,
  type ParquetLimits,
} from './format.ts';
import type { ByteSink, RandomAccess } from './io.ts';
import { type MasterKey, wrapDataKeys } from './key-wrapping.ts';
import {
  type AesKey,
  type EncryptionAlgorithm,
  FileAad,
  MODULE,
  sealCtr,
  sealGcm,
} from './modules.ts';
import { moveOffsetIndex, type PageLocation } from './offset-index.ts';
import { type Page, pagesOf } from './pages.ts';
import { type LeafColumn, selectLeaves } from './schema.ts';
import { readBloomFilter, readIndex } from './side-modules.ts';
import {
  i16,
  i32,
  i64,
  parseStruct,
  structList,
  type ThriftStruct,
  type ThriftValue,
} from './thrift/struct.ts';

/** What to encrypt, for whom, and how. */
export interface EncryptOptions {
  /** A plain Parquet file. */
  readonly source: RandomAccess;
  readonly sink: ByteSink;
  readonly footerKey: MasterKey;
  /**
   * The master key of each column by its dotted path, or by the path of a group for all under it;
   * the longest path wins. Every column needs one.
   */
  readonly columnKeys: ReadonlyMap<string, MasterKey>;
  /** Ties the file to its place in a dataset; a reader compares it. */
  readonly aadPrefix?: Uint8Array;
  /** Keep the prefix in the file (default), or make every reader supply it. */
  readonly storeAadPrefix?: boolean;
  readonly algorithm?: EncryptionAlgorithm;
  readonly limits?: Partial<ParquetLimits>;
}

/** What was written. */
export interface EncryptReport {
  readonly rows: number;
  readonly rowGroups: number;
  readonly columns: readonly LeafColumn[];
  readonly pages: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Everything that sealing a module needs. */
interface Job {
  readonly file: OpenFile;
  readonly out: BatchedSink;
  readonly aad: FileAad;
  readonly algorithm: EncryptionAlgorithm;
  readonly keys: readonly AesKey[];
  pages: number;
}

/** A chunk whose pages are written and whose metadata is not. */
interface WrittenChunk {
  readonly column: OpenColumn;
  readonly edits: Record<number, ThriftValue | undefined>;
  readonly chunkEdits: Record<number, ThriftValue | undefined>;
  /** New position and size of each data page, where the chunk has an offset index. */
  readonly locations: readonly PageLocation[];
  readonly growth: number;
  readonly size: number;
  readonly start: number;
}

/**
 * Encrypts a plain Parquet file into the sink: encrypted footer, internal key material, double
 * wrapping, complete columns, 256-bit keys.
 * @throws CodedError `parquet-encrypted`, `column-key-absent`, and what reading the source gives
 */
export async function encryptParquet(options: EncryptOptions): Promise<EncryptReport> {
  const file = await openParquet({ source: options.source, limits: options.limits });
  if (file.mode !== 'clear') throw misused('parquet-encrypted', 'the file is encrypted already');
  const masterKeys = keysOfLeaves(file, options.columnKeys);
  const wrapped = wrapDataKeys(options.footerKey, masterKeys);
  const aadFileUnique = randomBytes(8);
  const aadPrefix = options.aadPrefix ?? new Uint8Array(0);
  const algorithm = options.algorithm ?? 'AES_GCM_V1';
  const job: Job = {
    file,
    out: new BatchedSink(options.sink),
    aad: new FileAad(aadPrefix, aadFileUnique),
    algorithm,
    keys: wrapped.columns.map((c) => c.key),
    pages: 0,
  };
  await job.out.write([Buffer.from(MAGIC_ENCRYPTED, 'latin1')]);
  const groups: WrittenChunk[][] = [];
  for (let g = 0; g < file.rowGroups.length; g++) groups.push(await sealRowGroup(job, g));
  for (const chunk of groups.flat()) await sealSideModules(job, chunk);
  const rowGroups = groups.map((chunks, g) => {
    const columns = chunks.map((chunk) => {
      const { leaf, rowGroup, metadata } = chunk.column;
      const key = wrapped.columns[leaf.ordinal];
      if (key === undefined) throw new Error('assertion failed: a leaf has a key');
      const aad = job.aad.chunk(MODULE.columnMetadata, rowGroup, leaf.ordinal);
      const sealed = sealGcm(key.key, aad, metadata.edit(chunk.edits));
      return encodeSealedColumn(chunk.column, chunk.chunkEdits, key.metadata, sealed);
    });
    return rowGroupOf(file.rowGroups[g], g, chunks, columns);
  });
  const metadata = file.metadata.edit({ [FILE.rowGroups]: structList(rowGroups) });
  const crypto = encodeCrypto({
    algorithm,
    aadPrefix,
    aadFileUnique,
    storeAadPrefix: options.storeAadPrefix ?? true,
    footerKeyMetadata: wrapped.footer.metadata,
  });
  await job.out.write(
    encodeFooter(crypto, sealGcm(wrapped.footer.key, job.aad.footer(), metadata)),
  );
  await job.out.flush();
  return {
    rows: file.rows,
    rowGroups: groups.length,
    columns: file.schema.leaves,
    pages: job.pages,
    bytesRead: file.source.bytesRead,
    bytesWritten: job.out.position,
  };
}

/** The master key of each leaf. @throws CodedError `column-key-absent`, `column-unknown` */
function keysOfLeaves(file: OpenFile, keys: ReadonlyMap<string, MasterKey>): MasterKey[] {
  const found = new Map<LeafColumn, MasterKey>();
  const byLength = [...keys].sort(([a], [b]) => a.length - b.length);
  for (const [name, key] of byLength) {
    for (const leaf of selectLeaves(file.schema, [name])) found.set(leaf, key);
  }
  return file.schema.leaves.map((leaf) => {
    const key = found.get(leaf);
    if (key === undefined) {
      throw misused('column-key-absent', `column ${leaf.path} was given no key`);
    }
    return key;
  });
}

async function sealRowGroup(job: Job, rowGroup: number): Promise<WrittenChunk[]> {
  const { file } = job;
  const none = new DataKeys(undefined);
  const out: WrittenChunk[] = [];
  const chunks = chunksOf(file, rowGroup);
  for (const leaf of file.schema.leaves) {
    const chunk = chunks[leaf.ordinal];
    if (chunk === undefined) throw new Error('assertion failed: a chunk for each leaf');
    out.push(await sealChunk(job, await openColumn(file, none, { rowGroup, chunk, leaf })));
  }
  return out;
}

async function sealChunk(job: Job, column: OpenColumn): Promise<WrittenChunk> {
  const { leaf, metadata, chunk } = column;
  const indexed = chunk.has(CHUNK.offsetIndexOffset);
  const start = job.out.position;
  const locations: PageLocation[] = [];
  let dictionary: number | undefined;
  let firstData: number | undefined;
  for await (const page of pagesOf(job.file, column)) {
    const at = job.out.position;
    await sealPage(job, column, page);
    if (page.isDictionary) dictionary = at;
    else firstData ??= at;
    if (indexed && !page.isDictionary) {
      locations.push({ from: page.offset, to: at, size: job.out.position - at });
    }
  }
  const size = job.out.position - start;
  const growth = size - (column.end - column.start);
  const edits = {
    [COLUMN.compressedSize]: i64(size),
    [COLUMN.uncompressedSize]: i64(metadata.requiredSize(COLUMN.uncompressedSize) + growth),
    [COLUMN.dataPageOffset]: i64(firstData ?? job.out.position),
    [COLUMN.dictionaryPageOffset]: dictionary === undefined ? undefined : i64(dictionary),
    [COLUMN.indexPageOffset]: undefined,
  };
  if (leaf.ordinal > ORDINAL_MAX)
    throw overLimit('the number of columns', leaf.ordinal, ORDINAL_MAX);
  return { column, edits, chunkEdits: {}, locations, growth, size, start };
}

async function sealPage(job: Job, column: OpenColumn, page: Page): Promise<void> {
  const { rowGroup, leaf } = column;
  const key = job.keys[leaf.ordinal];
  const [body] = page.body;
  if (key === undefined || body === undefined) throw new Error('assertion failed: key and body');
  const d = page.isDictionary;
  const aadOf = (dictionary: number, data: number): Uint8Array =>
    d
      ? job.aad.chunk(dictionary, rowGroup, leaf.ordinal)
      : job.aad.page(data, rowGroup, leaf.ordinal, page.ordinal);
  const sealed =
    job.algorithm === 'AES_GCM_CTR_V1'
      ? sealCtr(key, body)
      : sealGcm(key, aadOf(MODULE.dictionaryPage, MODULE.dataPage), body);
  const size = lengthOf(sealed);
  if (size > 0x7fffffff) throw overLimit('a page', size, 0x7fffffff);
  const header = page.header.edit({ [PAGE.compressedSize]: i32(size), [PAGE.crc]: undefined });
  const headerAad = aadOf(MODULE.dictionaryPageHeader, MODULE.dataPageHeader);
  job.pages++;
  await job.out.write([...sealGcm(key, headerAad, header), ...sealed]);
}

/** Bloom filter, column index and offset index of a chunk, where it has them. */
async function sealSideModules(job: Job, chunk: WrittenChunk): Promise<void> {
  const { column, edits, chunkEdits } = chunk;
  const { leaf, rowGroup } = column;
  const key = job.keys[leaf.ordinal];
  if (key === undefined) throw new Error('assertion failed: a leaf has a key');
  const seal = async (type: number, plain: Uint8Array): Promise<void> => {
    await job.out.write(sealGcm(key, job.aad.chunk(type, rowGroup, leaf.ordinal), plain));
  };
  const bloom = await readBloomFilter(job.file, column);
  if (bloom !== undefined) {
    const at = job.out.position;
    await seal(MODULE.bloomFilterHeader, bloom.header);
    await seal(MODULE.bloomFilterBitset, bloom.bitset);
    edits[COLUMN.bloomFilterOffset] = i64(at);
    edits[COLUMN.bloomFilterLength] = i32(job.out.position - at);
  }
  const columnIndex = await readIndex(job.file, column, 'column');
  if (columnIndex !== undefined) {
    const at = job.out.position;
    await seal(MODULE.columnIndex, columnIndex);
    chunkEdits[CHUNK.columnIndexOffset] = i64(at);
    chunkEdits[CHUNK.columnIndexLength] = i32(job.out.position - at);
  }
  const offsetIndex = await readIndex(job.file, column, 'offset');
  if (offsetIndex !== undefined) {
    const at = job.out.position;
    const moved = moveOffsetIndex(parseStruct('OffsetIndex', offsetIndex), chunk.locations);
    await seal(MODULE.offsetIndex, moved);
    chunkEdits[CHUNK.offsetIndexOffset] = i64(at);
    chunkEdits[CHUNK.offsetIndexLength] = i32(job.out.position - at);
  }
}

function rowGroupOf(
  group: ThriftStruct | undefined,
  ordinal: number,
  chunks: readonly WrittenChunk[],
  columns: readonly Uint8Array[],
): Uint8Array {
  if (group === undefined) throw new Error('assertion failed: a row group');
  const growth = chunks.reduce((sum, c) => sum + c.growth, 0);
  const size = chunks.reduce((sum, c) => sum + c.size, 0);
  const start = chunks[0]?.start ?? 4;
  return group.edit({
    [GROUP.columns]: structList(columns),
    [GROUP.totalByteSize]: i64(Math.max(0, (group.size(GROUP.totalByteSize) ?? 0) + growth)),
    [GROUP.fileOffset]: i64(start),
    [GROUP.totalCompressedSize]: i64(size),
    [GROUP.ordinal]: i16(ordinal),
  });
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
