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
import { type OpenColumns, openColumns } from './columns.ts';
import type { CryptoPool } from './crypto-pool.ts';
import { footerTail } from './encrypted-metadata.ts';
import { overLimit, parquetError } from './errors.ts';
import { type OpenFile, openParquet } from './footer.ts';
import { CHUNK, FILE, GROUP, MAGIC_CLEAR, type ParquetLimits } from './format.ts';
import type { KeyProvider } from './keys.ts';
import { byteLength, type EncryptionAlgorithm } from './modules.ts';
import { moveChunks, moveSideModules, type PlacedChunk } from './move-chunks.ts';
import type { MovedChunks } from './moved-chunks.ts';
import { type LeafColumn, LeafIndex, projectSchema } from './schema.ts';
import type { ByteSink, Progress, RandomAccess } from './sources-and-sinks.ts';
import { TYPE } from './thrift/compact.ts';
import {
  type Edits,
  i16,
  i32,
  i64,
  list,
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
  /** Accept files whose modules are tied to no place, as DuckDB's; false where absent. */
  readonly allowUnboundModules?: boolean;
  /** Threads to do the work; the calling thread alone where absent. */
  readonly pool?: CryptoPool | undefined;
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
  /**
   * False where a page body carries no tag (AES_GCM_CTR_V1, columns or levels in clear), or where
   * tags tell no place.
   */
  readonly authenticated: boolean;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/**
 * Writes a plain Parquet file of the named columns.
 * @throws CodedError `parquet-clear`, `key-missing`, `tag-invalid`, `aad-prefix-mismatch`,
 *   `column-unknown`, `column-clear`, `row-group-unknown`, and what malformed bytes give
 */
export async function decryptProjection(options: DecryptOptions): Promise<DecryptReport> {
  const file = await openParquet(options);
  const { crypto } = file;
  if (crypto === undefined) throw parquetError('parquet-clear', 'the file is not encrypted');
  if (options.algorithms !== undefined && !options.algorithms.includes(crypto.algorithm)) {
    throw parquetError(
      'algorithm-unknown',
      `${crypto.algorithm} is not among the accepted algorithms`,
    );
  }
  if (options.columns.length === 0) throw parquetError('options-invalid', 'no columns were named');
  const leaves = new LeafIndex(file.schema).select(options.columns);
  const groups = rowGroupsOf(file, options.rowGroups);
  const columns = await openColumns(file, options.keys, { leaves, rowGroups: groups });
  const { clear } = columns;
  if (clear !== undefined && options.allowClearColumns !== true) {
    throw parquetError('column-clear', `column ${clear.path} is in clear: nothing vouches for it`);
  }
  const out = new BatchedSink(options.sink);
  const written = await out.settled(() => writeProjection(file, columns, out, options));
  return {
    rows: rowsOf(file, groups),
    rowGroups: groups.length,
    columns: leaves,
    algorithm: crypto.algorithm,
    authenticated: written.authenticated && crypto.aadFileUnique !== undefined,
    bytesRead: file.source.bytesRead,
    bytesWritten: out.position,
  };
}

async function writeProjection(
  file: OpenFile,
  columns: OpenColumns,
  out: BatchedSink,
  options: DecryptOptions,
): Promise<MovedChunks> {
  const { leaves, rowGroups } = columns.choice;
  const { pool, onProgress } = options;
  await out.write([Buffer.from(MAGIC_CLEAR, 'latin1')]);
  const sealOf = () => undefined;
  const written = await moveChunks(file, columns, { out, sealOf, pool, onProgress });
  const encoded = await moveSideModules(file, columns, written, {
    out,
    encode: (chunks, g) => rowGroupOf(file, rowGroups[g] ?? 0, g, chunks),
  });
  const footer = plainFooter(file, leaves, rowsOf(file, rowGroups), encoded);
  await out.write([...footer, footerTail(byteLength(footer), MAGIC_CLEAR)]);
  await out.flush();
  return written;
}

function rowsOf(file: OpenFile, groups: readonly number[]): number {
  return groups.reduce((sum, g) => sum + (file.rowGroups[g]?.size(GROUP.rows) ?? 0), 0);
}

function rowGroupsOf(file: OpenFile, wanted: readonly number[] | undefined): readonly number[] {
  if (wanted === undefined) return file.rowGroups.map((_, g) => g);
  wanted.forEach((g, i) => {
    if (!Number.isInteger(g) || g < 0 || g >= file.rowGroups.length) {
      throw parquetError(
        'row-group-unknown',
        `no row group ${g}; there are ${file.rowGroups.length}`,
      );
    }
    if (i > 0 && g <= (wanted[i - 1] ?? 0)) {
      throw parquetError('options-invalid', 'row groups are not ascending');
    }
  });
  return wanted;
}

function rowGroupOf(
  file: OpenFile,
  from: number,
  ordinal: number,
  chunks: readonly PlacedChunk[],
): Uint8Array {
  const group = file.rowGroups[from];
  if (group === undefined) throw new Error('assertion failed: a row group');
  const columns = chunks.map((chunk) =>
    chunk.column.chunk.edit({
      ...chunk.chunk,
      [CHUNK.fileOffset]: i64(0),
      [CHUNK.metadata]: struct(chunk.column.metadata.edit(chunk.metadata)),
      [CHUNK.cryptoMetadata]: undefined,
      [CHUNK.encryptedMetadata]: undefined,
    }),
  );
  const total = (size: (chunk: PlacedChunk) => number): number =>
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
function projectSorting(group: ThriftStruct, chunks: readonly PlacedChunk[]): Edits[number] {
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
): Uint8Array[] {
  const { metadata, schema } = file;
  const all = leaves.length === schema.leaves.length;
  const footer = metadata.editParts({
    [FILE.schema]: projectSchema(schema, new Set(leaves)),
    [FILE.rows]: i64(rows),
    [FILE.rowGroups]: structList(rowGroups),
    ...(all ? {} : { [FILE.keyValues]: projectKeyValues(metadata) }),
    [FILE.columnOrders]: projectOrders(metadata, schema.leaves.length, leaves),
    [FILE.encryptionAlgorithm]: undefined,
    [FILE.footerSigningKeyMetadata]: undefined,
  });
  const length = byteLength(footer);
  if (length > 0xffffffff) throw overLimit('the footer', length, 0xffffffff);
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
