// SPDX-License-Identifier: Apache-2.0
// One column chunk of an open file: its metadata, decrypted where it is encrypted, its key, and
// where its bytes are. What the footer says of a chunk must agree with the schema.
import { parquetError, unsupported } from './errors.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN, COLUMN_CRYPTO, COLUMN_KEY, GROUP, PHYSICAL_TYPES } from './format.ts';
import type { KeyProvider } from './keys.ts';
import { AesKey, joined, MODULE, openGcm } from './modules.ts';
import type { LeafColumn } from './schema.ts';
import { parseStruct, type ThriftStruct } from './thrift/struct.ts';

/** How a column chunk is protected, as its crypto metadata says. */
export type ColumnProtection =
  | { readonly kind: 'clear' }
  | { readonly kind: 'footer-key' }
  | { readonly kind: 'column-key'; readonly keyMetadata: Uint8Array };

/** A column chunk, ready to be read. */
export interface OpenColumn {
  readonly leaf: LeafColumn;
  readonly rowGroup: number;
  readonly chunk: ThriftStruct;
  readonly metadata: ThriftStruct;
  /** Undefined where the chunk is in clear. */
  readonly key: AesKey | undefined;
  /** Where its pages are. */
  readonly start: number;
  readonly end: number;
  readonly hasDictionary: boolean;
}

/** Data keys of one file, each unwrapped once. */
export class DataKeys {
  private readonly provider: KeyProvider | undefined;
  private readonly known = new Map<string, AesKey>();

  constructor(provider: KeyProvider | undefined) {
    this.provider = provider;
  }

  /** The key of the column at `path`, where it has been fetched. */
  held(keyMetadata: Uint8Array, path: string): AesKey | undefined {
    return this.known.get(nameOf(keyMetadata, path));
  }

  async column(keyMetadata: Uint8Array, path: string): Promise<AesKey> {
    const name = nameOf(keyMetadata, path);
    const key = this.known.get(name) ?? (await this.fetch(keyMetadata, path));
    this.known.set(name, key);
    return key;
  }

  private async fetch(keyMetadata: Uint8Array, path: string): Promise<AesKey> {
    if (this.provider === undefined) {
      throw parquetError('key-missing', `column ${path} is encrypted, and no keys were given`);
    }
    const use = `column ${path}`;
    return new AesKey(await this.provider.dataKey(keyMetadata, use, path), `the key of ${use}`);
  }
}

/** Several columns may have the same metadata, or none, and keys of their own. */
function nameOf(keyMetadata: Uint8Array, path: string): string {
  return JSON.stringify([Buffer.from(keyMetadata).toString('latin1'), path]);
}

/** The chunks of a row group, one a leaf. @throws CodedError `parquet-malformed` */
export function chunksOf(file: OpenFile, rowGroup: number): ThriftStruct[] {
  const leaves = file.schema.leaves.length;
  const group = file.rowGroups[rowGroup];
  const ordinal = group?.int(GROUP.ordinal);
  if (ordinal !== undefined && ordinal !== rowGroup && file.mode !== 'clear') {
    throw parquetError('parquet-malformed', `row group ${rowGroup} says that it is ${ordinal}`);
  }
  const chunks = group?.structs(GROUP.columns, 'ColumnChunk', leaves) ?? [];
  if (chunks.length !== leaves) {
    const got = `${chunks.length} column chunks for ${leaves} columns`;
    throw parquetError('parquet-malformed', `row group ${rowGroup} has ${got}`);
  }
  return chunks;
}

/** What protects a chunk. @throws CodedError `parquet-malformed` */
export function protectionOf(
  file: Pick<OpenFile, 'mode' | 'crypto'>,
  chunk: ThriftStruct,
  leaf: LeafColumn,
): ColumnProtection {
  const crypto = chunk.struct(CHUNK.cryptoMetadata, 'ColumnCryptoMetaData');
  if (crypto === undefined) {
    // DuckDB puts all under the footer's key and says so nowhere.
    const unbound = file.crypto !== undefined && file.crypto.aadFileUnique === undefined;
    return { kind: unbound && file.mode === 'encrypted-footer' ? 'footer-key' : 'clear' };
  }
  if (crypto.has(COLUMN_CRYPTO.footerKey)) return { kind: 'footer-key' };
  const withKey = crypto.struct(COLUMN_CRYPTO.columnKey, 'EncryptionWithColumnKey');
  if (withKey === undefined) {
    throw parquetError('parquet-malformed', `column ${leaf.path} is encrypted in an unknown way`);
  }
  checkPath(withKey.texts(COLUMN_KEY.path, leaf.parts.length), leaf);
  return {
    kind: 'column-key',
    keyMetadata: withKey.binary(COLUMN_KEY.keyMetadata) ?? new Uint8Array(0),
  };
}

/** A chunk's place in a file, and what the footer says of it. */
interface ChunkPlace {
  readonly rowGroup: number;
  readonly chunk: ThriftStruct;
  readonly leaf: LeafColumn;
}

/** Opens one chunk, decrypting its metadata; its key is fetched where it is not held yet. */
export async function openColumn(
  file: OpenFile,
  keys: DataKeys,
  place: ChunkPlace,
): Promise<OpenColumn> {
  const { chunk, leaf } = place;
  if (chunk.has(CHUNK.filePath)) throw unsupported(`column ${leaf.path} is in another file`);
  const protection = protectionOf(file, chunk, leaf);
  if (protection.kind === 'column-key') await keys.column(protection.keyMetadata, leaf.path);
  return openUnder(file, keys, protection, place);
}

/** Opens a chunk whose key is held. */
function openUnder(
  file: OpenFile,
  keys: DataKeys,
  protection: ColumnProtection,
  place: ChunkPlace,
): OpenColumn {
  const { chunk, leaf, rowGroup } = place;
  let key: AesKey | undefined;
  if (protection.kind === 'column-key') key = keys.held(protection.keyMetadata, leaf.path);
  if (protection.kind === 'footer-key') key = file.unlocked?.footerKey;
  if (protection.kind !== 'clear' && (key === undefined || file.unlocked === undefined)) {
    throw parquetError(
      'key-missing',
      `column ${leaf.path} is encrypted, and the footer key is not here`,
    );
  }
  const metadata = columnMetadata(file, key, place);
  checkMetadata(metadata, leaf);
  return { leaf, rowGroup, chunk, metadata, key, ...extentOf(file, metadata, leaf, key) };
}

function columnMetadata(file: OpenFile, key: AesKey | undefined, place: ChunkPlace): ThriftStruct {
  const { chunk, leaf, rowGroup } = place;
  const sealed = chunk.binary(CHUNK.encryptedMetadata);
  if (sealed !== undefined && key !== undefined && file.unlocked !== undefined) {
    const aad = file.unlocked.aad.chunk(MODULE.columnMetadata, rowGroup, leaf.ordinal);
    const where = (): string => `the metadata of column ${leaf.path} in row group ${rowGroup}`;
    return parseStruct('ColumnMetaData', joined(openGcm(key, aad, sealed, where)));
  }
  const metadata = chunk.struct(CHUNK.metadata, 'ColumnMetaData');
  if (metadata === undefined) {
    throw parquetError('parquet-malformed', `column ${leaf.path} has no metadata`);
  }
  return metadata;
}

function checkMetadata(metadata: ThriftStruct, leaf: LeafColumn): void {
  checkPath(metadata.texts(COLUMN.path, leaf.parts.length), leaf);
  if (PHYSICAL_TYPES[metadata.requiredInt(COLUMN.type)] !== leaf.physicalType) {
    throw parquetError(
      'parquet-malformed',
      `column ${leaf.path} has another type than in the schema`,
    );
  }
}

function checkPath(parts: readonly string[] | undefined, leaf: LeafColumn): void {
  const same = parts?.length === leaf.parts.length && parts.every((p, i) => p === leaf.parts[i]);
  if (!same) {
    const got = parts?.join('.') ?? '';
    throw parquetError('parquet-malformed', `the chunk of column ${leaf.path} says it is ${got}`);
  }
}

function extentOf(
  file: OpenFile,
  metadata: ThriftStruct,
  leaf: LeafColumn,
  key: AesKey | undefined,
): Pick<OpenColumn, 'start' | 'end' | 'hasDictionary'> {
  if (metadata.has(COLUMN.indexPageOffset) && key !== undefined) {
    throw unsupported(`column ${leaf.path} has an index page`);
  }
  const data = metadata.requiredSize(COLUMN.dataPageOffset);
  const dictionary = metadata.size(COLUMN.dictionaryPageOffset) ?? 0;
  // Arrow gives a chunk without data pages the data page offset 0.
  const hasDictionary = dictionary > 0 && (dictionary < data || data === 0);
  const start = hasDictionary ? dictionary : data;
  const end = start + metadata.requiredSize(COLUMN.compressedSize);
  if (end > file.footerStart) {
    const message = `column ${leaf.path} is said to end at ${end}, past ${file.footerStart}`;
    throw parquetError('parquet-malformed', message);
  }
  return { start, end, hasDictionary };
}

/** Which chunks to open: some leaves of some row groups. */
export interface ChunkChoice {
  readonly leaves: readonly LeafColumn[];
  readonly rowGroups: readonly number[];
}

/** Every chunk of an open file. */
export function allChunks(file: OpenFile): ChunkChoice {
  return { leaves: file.schema.leaves, rowGroups: file.rowGroups.map((_, g) => g) };
}

/**
 * The chosen chunks of a file, row group by row group. All have been opened once, so their keys are
 * held and their metadata is sound; each is opened again when it is asked for, because the open
 * form of thousands of chunks would be most of what is in memory.
 */
export class OpenColumns {
  /** How many. */
  readonly length: number;
  readonly choice: ChunkChoice;
  /** The first column that has a chunk in clear. */
  clear: LeafColumn | undefined;
  private readonly file: OpenFile;
  private readonly keys: DataKeys;
  private chunks: readonly ThriftStruct[] = [];
  private chunksGroup: number | undefined;

  constructor(file: OpenFile, keys: DataKeys, choice: ChunkChoice) {
    this.file = file;
    this.keys = keys;
    this.choice = choice;
    this.length = choice.rowGroups.length * choice.leaves.length;
  }

  /** The i-th chunk. */
  at(i: number): OpenColumn {
    const place = this.place(i);
    return openUnder(this.file, this.keys, protectionOf(this.file, place.chunk, place.leaf), place);
  }

  /** Where the i-th chunk is, and what the footer says of it. */
  place(i: number): ChunkPlace {
    const { leaves, rowGroups } = this.choice;
    const rowGroup = rowGroups[Math.floor(i / leaves.length)];
    const leaf = leaves[i % leaves.length];
    if (rowGroup === undefined || leaf === undefined) throw new RangeError(`no chunk ${i}`);
    if (this.chunksGroup !== rowGroup) this.chunks = chunksOf(this.file, rowGroup);
    this.chunksGroup = rowGroup;
    const chunk = this.chunks[leaf.ordinal];
    if (chunk === undefined) throw new Error('assertion failed: a chunk for each leaf');
    return { rowGroup, chunk, leaf };
  }
}

/**
 * Finds the keys of all chosen chunks and checks all metadata, before any page is read. Chunks that
 * together are larger than their file overlap, and reading them has no bound: they are refused.
 * @param provider where keys of columns come from
 * @param check called with each chunk and its column before it is opened
 */
export async function openColumns(
  file: OpenFile,
  provider: KeyProvider | undefined,
  choice: ChunkChoice,
  check?: (chunk: ThriftStruct, leaf: LeafColumn) => void,
): Promise<OpenColumns> {
  const keys = new DataKeys(provider);
  const columns = new OpenColumns(file, keys, choice);
  let total = 0;
  for (let i = 0; i < columns.length; i++) {
    const place = columns.place(i);
    check?.(place.chunk, place.leaf);
    const column = await openColumn(file, keys, place);
    if (column.key === undefined) columns.clear ??= column.leaf;
    total += column.end - column.start;
    if (total > file.footerStart) {
      const sizes = `${total} bytes in a file of ${file.source.size}`;
      throw parquetError('parquet-malformed', `column chunks overlap: ${sizes}`);
    }
  }
  return columns;
}
