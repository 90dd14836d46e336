// SPDX-License-Identifier: Apache-2.0
// Names for the numbers of parquet.thrift (apache/parquet-format 2.12): field ids of the structs
// that this package edits, enum values, magics, and the limits that bad input is held to.

/** FileMetaData */
export const FILE = {
  version: 1,
  schema: 2,
  rows: 3,
  rowGroups: 4,
  keyValues: 5,
  createdBy: 6,
  columnOrders: 7,
  encryptionAlgorithm: 8,
  footerSigningKeyMetadata: 9,
} as const;

/** SchemaElement */
export const ELEMENT = {
  type: 1,
  typeLength: 2,
  repetition: 3,
  name: 4,
  children: 5,
  convertedType: 6,
  scale: 7,
  precision: 8,
  fieldId: 9,
  logicalType: 10,
} as const;

/** RowGroup */
export const GROUP = {
  columns: 1,
  totalByteSize: 2,
  rows: 3,
  sortingColumns: 4,
  fileOffset: 5,
  totalCompressedSize: 6,
  ordinal: 7,
} as const;

/** ColumnChunk */
export const CHUNK = {
  filePath: 1,
  fileOffset: 2,
  metadata: 3,
  offsetIndexOffset: 4,
  offsetIndexLength: 5,
  columnIndexOffset: 6,
  columnIndexLength: 7,
  cryptoMetadata: 8,
  encryptedMetadata: 9,
} as const;

/** ColumnMetaData */
export const COLUMN = {
  type: 1,
  encodings: 2,
  path: 3,
  codec: 4,
  values: 5,
  uncompressedSize: 6,
  compressedSize: 7,
  keyValues: 8,
  dataPageOffset: 9,
  indexPageOffset: 10,
  dictionaryPageOffset: 11,
  statistics: 12,
  encodingStats: 13,
  bloomFilterOffset: 14,
  bloomFilterLength: 15,
  sizeStatistics: 16,
  geospatialStatistics: 17,
} as const;

/** PageHeader */
export const PAGE = {
  type: 1,
  uncompressedSize: 2,
  compressedSize: 3,
  crc: 4,
  data: 5,
  index: 6,
  dictionary: 7,
  dataV2: 8,
} as const;

/** PageType */
export const PAGE_TYPE = { data: 0, index: 1, dictionary: 2, dataV2: 3 } as const;

/** FileCryptoMetaData */
export const CRYPTO = { algorithm: 1, keyMetadata: 2 } as const;

/** EncryptionAlgorithm (a union), and the struct in each of its arms */
export const ALGORITHM = { gcm: 1, ctr: 2 } as const;
export const ALGORITHM_PARAMETERS = { aadPrefix: 1, aadFileUnique: 2, supplyAadPrefix: 3 } as const;

/** ColumnCryptoMetaData (a union) and EncryptionWithColumnKey */
export const COLUMN_CRYPTO = { footerKey: 1, columnKey: 2 } as const;
export const COLUMN_KEY = { path: 1, keyMetadata: 2 } as const;

export const PHYSICAL_TYPES = [
  'BOOLEAN',
  'INT32',
  'INT64',
  'INT96',
  'FLOAT',
  'DOUBLE',
  'BYTE_ARRAY',
  'FIXED_LEN_BYTE_ARRAY',
] as const;

export const CODECS = [
  'UNCOMPRESSED',
  'SNAPPY',
  'GZIP',
  'LZO',
  'BROTLI',
  'LZ4',
  'ZSTD',
  'LZ4_RAW',
] as const;

/** How values are written in pages. */
export const ENCODINGS = [
  'PLAIN',
  'GROUP_VAR_INT',
  'PLAIN_DICTIONARY',
  'RLE',
  'BIT_PACKED',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'RLE_DICTIONARY',
  'BYTE_STREAM_SPLIT',
] as const;

export const REPETITIONS = ['REQUIRED', 'OPTIONAL', 'REPEATED'] as const;

/** First and last four bytes of a file whose footer is in clear, and of one whose footer is not. */
export const MAGIC_CLEAR = 'PAR1';
export const MAGIC_ENCRYPTED = 'PARE';

/** AADs hold ordinals in 16 bits, signed in other readers (Encryption.md section 4.4.1). */
export const ORDINAL_MAX = 0x7fff;

/** What one file may make a reader hold. Each can be raised by the caller. */
export interface ParquetLimits {
  /** Bytes of the footer. */
  readonly footerBytesMax: number;
  /** Bytes of one page header. */
  readonly pageHeaderBytesMax: number;
  /** Bytes of one page, index or bloom filter: the largest thing held in memory whole. */
  readonly moduleBytesMax: number;
  /** Elements of the schema, groups included. */
  readonly schemaElementsMax: number;
}

export const DEFAULT_LIMITS: ParquetLimits = {
  footerBytesMax: 256 * 1024 * 1024,
  pageHeaderBytesMax: 16 * 1024 * 1024,
  moduleBytesMax: 1024 * 1024 * 1024,
  schemaElementsMax: 100_000,
};
