// SPDX-License-Identifier: Apache-2.0
// Encrypts a plain Parquet file module by module (parquet-format Encryption.md), in every mode of
// the format: both algorithms, three key sizes, either footer, prefix stored or supplied, key
// material inside or outside, wrapped once or twice. Memory is bounded by the footer and a few
// windows, whatever the size of the file.
//
// Invariants: complete columns (a column without a key is refused, never left in clear); a fresh
// data key for each column and for the footer, unless the caller gives data keys; nothing of the
// source is decoded beyond its metadata and page headers.
import { randomBytes } from 'node:crypto';
import { isCoded } from '@cloister/core';
import { BatchedSink } from './batched-sink.ts';
import { type ChunkSeal, chunkSeal } from './chunk-task.ts';
import { allChunks, type OpenColumn, openColumns } from './columns.ts';
import type { CryptoPool } from './crypto-pool.ts';
import {
  type AlgorithmParameters,
  encodeFooter,
  encodeSealedColumn,
} from './encrypted-metadata.ts';
import { overLimit, parquetError } from './errors.ts';
import { type OpenFile, openParquet } from './footer.ts';
import {
  FILE,
  GROUP,
  MAGIC_CLEAR,
  MAGIC_ENCRYPTED,
  ORDINAL_MAX,
  type ParquetLimits,
} from './format.ts';
import { type FileKey, type FileKeys, wrapDataKeys } from './key-wrapping.ts';
import { type AesKey, type EncryptionAlgorithm, FileAad, sealGcm } from './modules.ts';
import { moveChunks, moveSideModules, type PlacedChunk } from './move-chunks.ts';
import type { MovedChunks } from './moved-chunks.ts';
import { type LeafColumn, LeafIndex } from './schema.ts';
import type { ByteSink, Progress, RandomAccess } from './sources-and-sinks.ts';
import { i16, i64, structList } from './thrift/struct.ts';

const AAD_FILE_UNIQUE_BYTES = 8;

/** What to encrypt, for whom, and how. The defaults are what every reader understands. */
export interface EncryptOptions {
  /** A plain Parquet file. */
  readonly source: RandomAccess;
  readonly sink: ByteSink;
  /** A master key held here, one that a key service keeps, or a data key itself. */
  readonly footerKey: FileKey;
  /**
   * The key of each column by its dotted path, or by the path of a group for all under it;
   * the longest path wins. Every column needs one. `'footer-key'` puts all under the footer's.
   */
  readonly columnKeys: ReadonlyMap<string, FileKey> | 'footer-key';
  /** Ties the file to its place in a dataset; a reader compares it. Empty where absent. */
  readonly aadPrefix?: Uint8Array;
  /** Keep the prefix in the file, or make every reader supply it. True where absent. */
  readonly storeAadPrefix?: boolean;
  /** AES_GCM_V1 where absent. AES_GCM_CTR_V1 does not authenticate page bodies. */
  readonly algorithm?: EncryptionAlgorithm;
  /** Size of data keys; 256 where absent. */
  readonly keyBits?: 128 | 192 | 256;
  /** `plaintext` shows schema, sizes and key ids to readers without keys, and signs them. */
  readonly footer?: 'encrypted' | 'plaintext';
  /** `double` where absent. */
  readonly wrapping?: 'double' | 'single';
  /** `internal` where absent; `external` comes back in the report. */
  readonly keyMaterial?: 'internal' | 'external';
  readonly limits?: Partial<ParquetLimits>;
  /** Threads to do the work; the calling thread alone where absent. */
  readonly pool?: CryptoPool | undefined;
  /** Called after each column chunk. */
  readonly onProgress?: (progress: Progress) => void;
}

/** What was written. */
export interface EncryptReport {
  readonly rows: number;
  readonly rowGroups: number;
  readonly columns: readonly LeafColumn[];
  readonly pages: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /**
   * Key material by reference where it is external: as a JSON object, the content of the file
   * `_KEY_MATERIAL_FOR_<name>.json` that parquet-java and Arrow look for beside the file.
   */
  readonly externalMaterial?: ReadonlyMap<string, string>;
}

/**
 * Encrypts a plain Parquet file into the sink.
 * @throws CodedError `parquet-encrypted`, `column-key-absent`, `column-unknown`, `key-length`,
 *   `options-invalid`, and what a malformed source gives
 */
export async function encryptParquet(options: EncryptOptions): Promise<EncryptReport> {
  const { source, limits } = options;
  const file = await openParquet({ source, limits }).catch((error: unknown) => {
    // No keys are given here: what needs one is encrypted.
    throw isCoded(error, 'key-missing') ? encryptedAlready() : error;
  });
  if (file.mode !== 'clear') throw encryptedAlready();
  if (file.schema.leaves.length > ORDINAL_MAX) {
    throw overLimit('the number of columns', file.schema.leaves.length, ORDINAL_MAX);
  }
  const keys = await wrapDataKeys(options.footerKey, keysOfLeaves(file, options.columnKeys), {
    keyBits: options.keyBits ?? 256,
    wrapping: options.wrapping ?? 'double',
    keyMaterial: options.keyMaterial ?? 'internal',
  });
  const aadPrefix = options.aadPrefix ?? new Uint8Array(0);
  const parameters = {
    algorithm: options.algorithm ?? 'AES_GCM_V1',
    aadPrefix,
    aadFileUnique: randomBytes(AAD_FILE_UNIQUE_BYTES),
    storeAadPrefix: options.storeAadPrefix ?? true,
    footer: options.footer ?? 'encrypted',
  } as const;
  const out = new BatchedSink(options.sink);
  const aad = new FileAad(aadPrefix, parameters.aadFileUnique);
  const job: Job = { file, out, aad, keys, parameters, options };
  const chunks = await out.settled(() => sealFile(job));
  return {
    rows: file.rows,
    rowGroups: file.rowGroups.length,
    columns: file.schema.leaves,
    pages: chunks.pages,
    bytesRead: file.source.bytesRead,
    bytesWritten: out.position,
    ...(options.keyMaterial === 'external' ? { externalMaterial: keys.external } : {}),
  };
}

function encryptedAlready(): Error {
  return parquetError('parquet-encrypted', 'the file is encrypted already');
}

interface Job {
  readonly file: OpenFile;
  readonly out: BatchedSink;
  readonly aad: FileAad;
  readonly keys: FileKeys;
  readonly parameters: AlgorithmParameters & { readonly footer: 'encrypted' | 'plaintext' };
  readonly options: Pick<EncryptOptions, 'pool' | 'onProgress'>;
}

/** Writes the whole encrypted file: pages, then what stands beside them, then the footer. */
async function sealFile(job: Job): Promise<MovedChunks> {
  const { file, out, aad, keys, parameters } = job;
  const { pool, onProgress } = job.options;
  const columns = await openColumns(file, undefined, allChunks(file));
  const magic = parameters.footer === 'encrypted' ? MAGIC_ENCRYPTED : MAGIC_CLEAR;
  await out.write([Buffer.from(magic, 'latin1')]);
  const sealOf = (column: OpenColumn): ChunkSeal => {
    const { algorithm } = parameters;
    return chunkSeal(aad, column, { key: keyOf(keys, column.leaf), algorithm });
  };
  const chunks = await moveChunks(file, columns, { out, sealOf, pool, onProgress });
  const rowGroups = await moveSideModules(file, columns, chunks, {
    out,
    seal: ({ leaf, rowGroup }, type, plain) =>
      sealGcm(keyOf(keys, leaf), aad.chunk(type, rowGroup, leaf.ordinal), plain),
    encode: (group, g) => encodeRowGroup(job, g, group),
  });
  const { key, metadata: keyMetadata } = keys.footer;
  const seal = { ...parameters, aad, key, keyMetadata };
  await out.write(encodeFooter(file.metadata, { [FILE.rowGroups]: structList(rowGroups) }, seal));
  await out.flush();
  return chunks;
}

/** The key of each leaf; undefined where the footer's serves. */
function keysOfLeaves(file: OpenFile, keys: EncryptOptions['columnKeys']): (FileKey | undefined)[] {
  if (keys === 'footer-key') return file.schema.leaves.map(() => undefined);
  const index = new LeafIndex(file.schema);
  const found = new Map<LeafColumn, FileKey>();
  const byLength = [...keys].sort(([a], [b]) => a.length - b.length);
  for (const [name, key] of byLength) {
    for (const leaf of index.leavesOf(name)) found.set(leaf, key);
  }
  return file.schema.leaves.map((leaf) => {
    const key = found.get(leaf);
    if (key === undefined) {
      throw parquetError('column-key-absent', `column ${leaf.path} was given no key`);
    }
    return key;
  });
}

function keyOf(keys: FileKeys, leaf: LeafColumn): AesKey {
  return keys.columns[leaf.ordinal]?.key ?? keys.footer.key;
}

function encodeRowGroup(job: Job, g: number, chunks: readonly PlacedChunk[]): Uint8Array {
  const { file, aad, keys, parameters } = job;
  const { footer } = parameters;
  const group = file.rowGroups[g];
  if (group === undefined) throw new Error('assertion failed: a row group');
  const columns = chunks.map((chunk) => {
    const { leaf } = chunk.column;
    const keyMetadata = keys.columns[leaf.ordinal]?.metadata;
    const key = keyOf(keys, leaf);
    return encodeSealedColumn(chunk.column, chunk, { key, aad, keyMetadata, footer });
  });
  const size = chunks.reduce((sum, c) => sum + c.size, 0);
  const growth = chunks.reduce((sum, c) => sum + c.size - (c.column.end - c.column.start), 0);
  return group.edit({
    [GROUP.columns]: structList(columns),
    [GROUP.totalByteSize]: i64(Math.max(0, (group.size(GROUP.totalByteSize) ?? 0) + growth)),
    [GROUP.fileOffset]: i64(chunks[0]?.start ?? MAGIC_CLEAR.length),
    [GROUP.totalCompressedSize]: i64(size),
    [GROUP.ordinal]: i16(g),
  });
}
