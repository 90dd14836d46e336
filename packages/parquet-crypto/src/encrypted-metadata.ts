// SPDX-License-Identifier: Apache-2.0
// The metadata structs that only encrypted files have (parquet.thrift: FileCryptoMetaData,
// EncryptionAlgorithm, ColumnCryptoMetaData), and the end of a file with an encrypted footer.
import type { OpenColumn } from './columns.ts';
import {
  ALGORITHM,
  ALGORITHM_PARAMETERS,
  CHUNK,
  COLUMN_CRYPTO,
  COLUMN_KEY,
  CRYPTO,
  MAGIC_ENCRYPTED,
} from './format.ts';
import { type EncryptionAlgorithm, joined } from './modules.ts';
import {
  binary,
  bool,
  type Edits,
  encodeStruct,
  i64,
  struct,
  type ThriftValue,
  textList,
} from './thrift/struct.ts';

/** Parameters of EncryptionAlgorithm. */
export interface AlgorithmParameters {
  readonly algorithm: EncryptionAlgorithm;
  readonly aadPrefix: Uint8Array;
  readonly aadFileUnique: Uint8Array;
  readonly storeAadPrefix: boolean;
}

/** EncryptionAlgorithm, a union of one struct. */
export function encodeAlgorithm(p: AlgorithmParameters): ThriftValue {
  const hasPrefix = p.aadPrefix.length > 0;
  const parameters = encodeStruct({
    [ALGORITHM_PARAMETERS.aadPrefix]:
      hasPrefix && p.storeAadPrefix ? binary(p.aadPrefix) : undefined,
    [ALGORITHM_PARAMETERS.aadFileUnique]: binary(p.aadFileUnique),
    [ALGORITHM_PARAMETERS.supplyAadPrefix]: bool(hasPrefix && !p.storeAadPrefix),
  });
  const arm = p.algorithm === 'AES_GCM_V1' ? ALGORITHM.gcm : ALGORITHM.ctr;
  return struct(encodeStruct({ [arm]: struct(parameters) }));
}

/** FileCryptoMetaData, which stands in clear before an encrypted footer. */
export function encodeCrypto(
  p: AlgorithmParameters & { readonly footerKeyMetadata: Uint8Array },
): Uint8Array {
  return encodeStruct({
    [CRYPTO.algorithm]: encodeAlgorithm(p),
    [CRYPTO.keyMetadata]: binary(p.footerKeyMetadata),
  });
}

/** A ColumnChunk whose metadata is sealed under the column's key. */
export function encodeSealedColumn(
  column: OpenColumn,
  edits: Edits,
  keyMetadata: Uint8Array,
  sealed: readonly Uint8Array[],
): Uint8Array {
  const withKey = encodeStruct({
    [COLUMN_KEY.path]: textList(column.leaf.parts),
    [COLUMN_KEY.keyMetadata]: binary(keyMetadata),
  });
  return column.chunk.edit({
    ...edits,
    [CHUNK.fileOffset]: i64(0),
    [CHUNK.metadata]: undefined,
    [CHUNK.cryptoMetadata]: struct(encodeStruct({ [COLUMN_CRYPTO.columnKey]: struct(withKey) })),
    [CHUNK.encryptedMetadata]: binary(joined(sealed)),
  });
}

/** The end of a file: crypto metadata, sealed footer, their length, magic. */
export function encodeFooter(crypto: Uint8Array, sealed: readonly Uint8Array[]): Uint8Array[] {
  const length = [crypto, ...sealed].reduce((sum, part) => sum + part.length, 0);
  return [crypto, ...sealed, footerTail(length, MAGIC_ENCRYPTED)];
}

/** Length of the footer and magic. */
export function footerTail(length: number, magic: string): Uint8Array {
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(length, 0);
  tail.write(magic, 4, 'latin1');
  return tail;
}
