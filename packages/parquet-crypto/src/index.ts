// SPDX-License-Identifier: Apache-2.0
// Parquet Modular Encryption: encrypt a plain file, decrypt some of its columns, inspect, prove.
export { checkPages, type PagesOfColumn, type PagesReport } from './check-pages.ts';
export { type StoredPage, storedPages } from './clear-pages.ts';
export { CryptoPool } from './crypto-pool.ts';
export { type DecryptOptions, type DecryptReport, decryptProjection } from './decrypt.ts';
export { type EncryptOptions, type EncryptReport, encryptParquet } from './encrypt.ts';
export { type ParquetErrorCode, parquetError } from './errors.ts';
export type { FileMode } from './footer.ts';
export { DEFAULT_LIMITS, type ParquetLimits } from './format.ts';
export {
  type InspectedColumn,
  type Inspection,
  type InspectOptions,
  inspectParquet,
  type KeyNote,
  readSchema,
} from './inspect.ts';
export type { DataKey, FileKey, KmsKey, MasterKey } from './key-wrapping.ts';
export {
  type DirectKeys,
  directKeys,
  type KeyProvider,
  type Kms,
  kmsKeys,
  localKms,
  masterKeys,
  namedKeys,
  numberedKeys,
} from './keys.ts';
export type { EncryptionAlgorithm } from './modules.ts';
export { assertFullyEncrypted, type Proof, type ProveOptions } from './prove.ts';
export type { LeafColumn } from './schema.ts';
export {
  BufferSink,
  type ByteSink,
  bufferSource,
  descriptorSink,
  fileSink,
  fileSource,
  type Progress,
  type RandomAccess,
} from './sources-and-sinks.ts';
export { boundsOf } from './statistics.ts';
