// SPDX-License-Identifier: Apache-2.0
// The metadata structs that only encrypted files have (parquet.thrift: FileCryptoMetaData,
// EncryptionAlgorithm, ColumnCryptoMetaData), and the end of a file in either footer mode
// (Encryption.md sections 5.3 to 5.5).
import type { OpenColumn } from './columns.ts';
import {
  ALGORITHM,
  ALGORITHM_PARAMETERS,
  CHUNK,
  COLUMN,
  COLUMN_CRYPTO,
  COLUMN_KEY,
  CRYPTO,
  FILE,
  MAGIC_CLEAR,
  MAGIC_ENCRYPTED,
} from './format.ts';
import {
  type AesKey,
  byteLength,
  type EncryptionAlgorithm,
  type FileAad,
  joined,
  MODULE,
  sealGcm,
  signFooter,
} from './modules.ts';
import {
  binary,
  bool,
  type Edits,
  encodeStruct,
  i64,
  struct,
  type ThriftStruct,
  type ThriftValue,
  textList,
} from './thrift/struct.ts';

/** What a file says of its encryption. */
export interface AlgorithmParameters {
  readonly algorithm: EncryptionAlgorithm;
  readonly aadPrefix: Uint8Array;
  readonly aadFileUnique: Uint8Array;
  readonly storeAadPrefix: boolean;
}

/** EncryptionAlgorithm, a union of one struct. */
function encodeAlgorithm(p: AlgorithmParameters): ThriftValue {
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

/** What the metadata of one column chunk is sealed with. */
export interface ColumnSeal {
  readonly key: AesKey;
  readonly aad: FileAad;
  /** Undefined where the column is under the footer key. */
  readonly keyMetadata: Uint8Array | undefined;
  readonly footer: 'encrypted' | 'plaintext';
}

/**
 * A ColumnChunk of an encrypted column. Its metadata is sealed under the column's key; under the
 * footer key in an encrypted footer it needs no seal of its own. In a plaintext footer a copy
 * stands in clear for readers without keys, without statistics (Encryption.md section 5.5).
 */
export function encodeSealedColumn(
  column: OpenColumn,
  edits: { readonly metadata: Edits; readonly chunk: Edits },
  seal: ColumnSeal,
): Uint8Array {
  const { leaf, rowGroup } = column;
  const metadata = column.metadata.edit(edits.metadata);
  const own = seal.keyMetadata !== undefined || seal.footer === 'plaintext';
  const aad = seal.aad.chunk(MODULE.columnMetadata, rowGroup, leaf.ordinal);
  const visible = !own ? metadata : redacted(column, edits.metadata);
  return column.chunk.edit({
    ...edits.chunk,
    [CHUNK.fileOffset]: i64(0),
    [CHUNK.metadata]: own && seal.footer === 'encrypted' ? undefined : struct(visible),
    [CHUNK.cryptoMetadata]: cryptoMetadata(column, seal.keyMetadata),
    [CHUNK.encryptedMetadata]: own ? binary(joined(sealGcm(seal.key, aad, metadata))) : undefined,
  });
}

function cryptoMetadata(column: OpenColumn, keyMetadata: Uint8Array | undefined): ThriftValue {
  if (keyMetadata === undefined) {
    return struct(encodeStruct({ [COLUMN_CRYPTO.footerKey]: struct(encodeStruct({})) }));
  }
  const withKey = encodeStruct({
    [COLUMN_KEY.path]: textList(column.leaf.parts),
    [COLUMN_KEY.keyMetadata]: binary(keyMetadata),
  });
  return struct(encodeStruct({ [COLUMN_CRYPTO.columnKey]: struct(withKey) }));
}

/** Column metadata with nothing in it that was derived from values. */
function redacted(column: OpenColumn, edits: Edits): Uint8Array {
  return column.metadata.edit({
    ...edits,
    [COLUMN.keyValues]: undefined,
    [COLUMN.statistics]: undefined,
    [COLUMN.encodingStats]: undefined,
    [COLUMN.sizeStatistics]: undefined,
    [COLUMN.geospatialStatistics]: undefined,
  });
}

/** What the end of a file needs. */
export interface FooterSeal extends AlgorithmParameters {
  readonly key: AesKey;
  readonly keyMetadata: Uint8Array;
  readonly aad: FileAad;
  readonly footer: 'encrypted' | 'plaintext';
}

/** The end of a file: footer, sealed or signed, its length, magic. */
export function encodeFooter(metadata: ThriftStruct, edits: Edits, seal: FooterSeal): Uint8Array[] {
  if (seal.footer === 'plaintext') {
    const footer = metadata.editParts({
      ...edits,
      [FILE.encryptionAlgorithm]: encodeAlgorithm(seal),
      [FILE.footerSigningKeyMetadata]: binary(seal.keyMetadata),
    });
    const signature = signFooter(seal.key, seal.aad.footer(), footer);
    const length = byteLength(footer) + signature.length;
    return [...footer, signature, footerTail(length, MAGIC_CLEAR)];
  }
  const crypto = encodeStruct({
    [CRYPTO.algorithm]: encodeAlgorithm(seal),
    [CRYPTO.keyMetadata]: binary(seal.keyMetadata),
  });
  const parts = [crypto, ...sealGcm(seal.key, seal.aad.footer(), metadata.editParts(edits))];
  return [...parts, footerTail(byteLength(parts), MAGIC_ENCRYPTED)];
}

/** Length of the footer and magic. */
export function footerTail(length: number, magic: string): Uint8Array {
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(length, 0);
  tail.write(magic, 4, 'latin1');
  return tail;
}
