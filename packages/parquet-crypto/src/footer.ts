// SPDX-License-Identifier: Apache-2.0
// Opening a Parquet file from its end (parquet-format README; Encryption.md section 5), in its
// three forms, and checking whatever authenticates the footer.
//
//   clear             PAR1 ... FileMetaData | length 4 | PAR1
//   plaintext footer  PAR1 ... FileMetaData | nonce 12 | tag 16 | length 4 | PAR1
//   encrypted footer  PARE ... FileCryptoMetaData | FileMetaData module | length 4 | PARE
//
// Invariants: the magics of head and tail agree; the AAD prefix is the expected one; with keys, no
// metadata is answered before the footer's tag or signature has held.
import { equal, isCoded, toHex } from '@cloister/core';
import { overLimit, parquetError, truncated } from './errors.ts';
import {
  ALGORITHM,
  ALGORITHM_PARAMETERS,
  CRYPTO,
  DEFAULT_LIMITS,
  FILE,
  MAGIC_CLEAR,
  MAGIC_ENCRYPTED,
  ORDINAL_MAX,
  type ParquetLimits,
} from './format.ts';
import { parseKeyMetadata } from './key-material.ts';
import type { KeyProvider } from './keys.ts';
import {
  AesKey,
  type EncryptionAlgorithm,
  FileAad,
  footerTag,
  joined,
  NONCE_BYTES,
  openGcm,
  TAG_BYTES,
} from './modules.ts';
import { parseSchema, type Schema } from './schema.ts';
import { CheckedSource, type RandomAccess } from './sources-and-sinks.ts';
import { parseStruct, parseStructPrefix, type ThriftStruct } from './thrift/struct.ts';

/** How a file is protected. */
export type FileMode = 'clear' | 'plaintext-footer' | 'encrypted-footer';

/** The encryption parameters of a file. */
export interface FileCrypto {
  readonly algorithm: EncryptionAlgorithm;
  /** Absent where modules are tied to nothing. */
  readonly aadFileUnique: Uint8Array | undefined;
  /** The prefix stored in the file. */
  readonly aadPrefixStored: Uint8Array | undefined;
  /** The prefix is not in the file: a reader has to supply it. */
  readonly aadPrefixNeeded: boolean;
  readonly footerKeyMetadata: Uint8Array;
}

/** A file whose footer is open; `unlocked` is there when the footer key was. */
export interface OpenFile {
  readonly source: CheckedSource;
  readonly limits: ParquetLimits;
  readonly mode: FileMode;
  readonly crypto: FileCrypto | undefined;
  readonly unlocked: { readonly aad: FileAad; readonly footerKey: AesKey } | undefined;
  readonly metadata: ThriftStruct;
  readonly schema: Schema;
  readonly rowGroups: readonly ThriftStruct[];
  readonly rows: number;
  /** Where the footer begins: all other modules are before it. */
  readonly footerStart: number;
  readonly allowClearLevels: boolean;
}

export interface OpenOptions {
  readonly source: RandomAccess;
  readonly keys?: KeyProvider | undefined;
  /** The prefix that the file must have, stored in it or not; absent means any stored one. */
  readonly aadPrefix?: Uint8Array | undefined;
  readonly limits?: Partial<ParquetLimits> | undefined;
  readonly allowClearLevels?: boolean | undefined;
  readonly allowUnboundModules?: boolean | undefined;
}

const TAIL_READ = 64 * 1024;
const MAGIC_BYTES = 4;
const TAIL_BYTES = 8;

/** Opens any Parquet file. Without keys an encrypted footer is refused with `key-missing`. */
export async function openParquet(options: OpenOptions): Promise<OpenFile> {
  const source = new CheckedSource(options.source);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { magic, footer, footerStart } = await readFooter(source, limits);
  const allowClearLevels = options.allowClearLevels === true;
  const base = { source, limits, footerStart, allowClearLevels };
  if (magic === MAGIC_ENCRYPTED) return openEncrypted(base, footer, options);
  const { struct, end } = parseStructPrefix('FileMetaData', footer);
  if (!struct.has(FILE.encryptionAlgorithm)) {
    if (end !== footer.length) {
      throw parquetError(
        'parquet-malformed',
        'the footer is followed by bytes that are not its own',
      );
    }
    const prefix = options.aadPrefix;
    if (prefix !== undefined) throw parquetError('parquet-clear', 'the file is not encrypted');
    return finish(base, 'clear', undefined, undefined, struct);
  }
  return openSigned(base, struct, footer, end, options);
}

type Base = Pick<OpenFile, 'source' | 'limits' | 'footerStart' | 'allowClearLevels'>;

async function openEncrypted(
  base: Base,
  footer: Uint8Array,
  options: OpenOptions,
): Promise<OpenFile> {
  const { struct, end } = parseStructPrefix('FileCryptoMetaData', footer);
  const algorithm = struct.struct(CRYPTO.algorithm, 'EncryptionAlgorithm');
  const crypto = parseCrypto(algorithm, struct.binary(CRYPTO.keyMetadata));
  if (options.keys === undefined) {
    throw footerKeyMissing(crypto);
  }
  const aad = aadOf(crypto, options);
  const dataKey = await options.keys.dataKey(crypto.footerKeyMetadata, 'the footer');
  const footerKey = new AesKey(dataKey, 'the footer key');
  const module = footer.subarray(end);
  const plain = joined(openGcm(footerKey, aad.footer(), module, () => 'the footer'));
  const metadata = parseStruct('FileMetaData', plain);
  return finish(base, 'encrypted-footer', crypto, { aad, footerKey }, metadata);
}

/** Says which key would open the footer, where the file says it. */
function footerKeyMissing(crypto: FileCrypto): Error {
  const message = 'the footer is encrypted, and no keys were given';
  try {
    const metadata = parseKeyMetadata(crypto.footerKeyMetadata);
    if (metadata.storage === 'internal') {
      const { masterKeyId } = metadata.material;
      const named = `${message}; it is under master key ${JSON.stringify(masterKeyId)}`;
      return parquetError('key-missing', named, { details: { masterKeyId } });
    }
  } catch (error) {
    if (!isCoded(error)) throw error;
    // Key metadata of another make names no master key.
  }
  return parquetError('key-missing', message);
}

async function openSigned(
  base: Base,
  metadata: ThriftStruct,
  footer: Uint8Array,
  end: number,
  options: OpenOptions,
): Promise<OpenFile> {
  const algorithm = metadata.struct(FILE.encryptionAlgorithm, 'EncryptionAlgorithm');
  const crypto = parseCrypto(algorithm, metadata.binary(FILE.footerSigningKeyMetadata));
  if (footer.length - end !== NONCE_BYTES + TAG_BYTES) {
    throw parquetError('parquet-malformed', 'a plaintext footer has no signature of 28 bytes');
  }
  if (options.keys === undefined) {
    return finish(base, 'plaintext-footer', crypto, undefined, metadata);
  }
  const aad = aadOf(crypto, options);
  const dataKey = await options.keys.dataKey(crypto.footerKeyMetadata, 'the footer signature');
  const footerKey = new AesKey(dataKey, 'the footer key');
  const nonce = footer.subarray(end, end + NONCE_BYTES);
  const [, tag] = footerTag(footerKey, aad.footer(), footer.subarray(0, end), nonce);
  if (!equal(tag, footer.subarray(end + NONCE_BYTES))) {
    const message =
      'the signature of the plaintext footer does not hold: wrong key or changed bytes';
    throw parquetError('tag-invalid', message);
  }
  return finish(base, 'plaintext-footer', crypto, { aad, footerKey }, metadata);
}

function finish(
  base: Base,
  mode: FileMode,
  crypto: FileCrypto | undefined,
  unlocked: OpenFile['unlocked'],
  metadata: ThriftStruct,
): OpenFile {
  const schema = parseSchema(metadata, base.limits);
  const rowGroups = metadata.structs(FILE.rowGroups, 'RowGroup', ORDINAL_MAX + 1) ?? [];
  const rows = metadata.requiredSize(FILE.rows);
  return { ...base, mode, crypto, unlocked, metadata, schema, rowGroups, rows };
}

/** Reads magic and footer, in one or two range reads at the tail and one at the head. */
async function readFooter(
  source: CheckedSource,
  limits: ParquetLimits,
): Promise<{ magic: string; footer: Uint8Array; footerStart: number }> {
  const { size } = source;
  if (size < MAGIC_BYTES + TAIL_BYTES) throw truncated('a Parquet file');
  const tailStart = Math.max(0, size - TAIL_READ);
  const tail = await source.read(tailStart, size - tailStart, 'the end of the file');
  const head =
    tailStart === 0 ? tail : await source.read(0, MAGIC_BYTES, 'the beginning of the file');
  const magic = ascii(tail.subarray(tail.length - MAGIC_BYTES));
  if (magic !== MAGIC_CLEAR && magic !== MAGIC_ENCRYPTED) {
    throw parquetError(
      'parquet-malformed',
      'the file does not end as Parquet does: cut, or not Parquet',
    );
  }
  if (ascii(head.subarray(0, MAGIC_BYTES)) !== magic) {
    throw parquetError('parquet-malformed', 'the first four bytes differ from the last four');
  }
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  const length = view.getUint32(tail.length - TAIL_BYTES, true);
  if (length > limits.footerBytesMax) throw overLimit('the footer', length, limits.footerBytesMax);
  const footerStart = size - TAIL_BYTES - length;
  if (footerStart < MAGIC_BYTES) throw truncated('a Parquet file with the footer it claims');
  const missing = tailStart - footerStart;
  if (missing <= 0) {
    const footer = tail.subarray(-missing, tail.length - TAIL_BYTES);
    return { magic, footer, footerStart };
  }
  const footer = new Uint8Array(length);
  await source.readInto(footerStart, footer.subarray(0, missing), 'the footer');
  footer.set(tail.subarray(0, tail.length - TAIL_BYTES), missing);
  return { magic, footer, footerStart };
}

function parseCrypto(
  algorithm: ThriftStruct | undefined,
  keyMetadata: Uint8Array | undefined,
): FileCrypto {
  const arm = algorithm?.fields[0];
  if (algorithm === undefined || arm === undefined || algorithm.fields.length !== 1) {
    throw parquetError('parquet-malformed', 'the file does not name one encryption algorithm');
  }
  if (arm.id !== ALGORITHM.gcm && arm.id !== ALGORITHM.ctr) {
    throw parquetError('algorithm-unknown', `encryption algorithm ${arm.id} is not known`);
  }
  const parameters = algorithm.struct(arm.id, 'algorithm parameters');
  return {
    algorithm: arm.id === ALGORITHM.gcm ? 'AES_GCM_V1' : 'AES_GCM_CTR_V1',
    aadFileUnique: parameters?.binary(ALGORITHM_PARAMETERS.aadFileUnique),
    aadPrefixStored: parameters?.binary(ALGORITHM_PARAMETERS.aadPrefix),
    aadPrefixNeeded: parameters?.bool(ALGORITHM_PARAMETERS.supplyAadPrefix) === true,
    footerKeyMetadata: keyMetadata ?? new Uint8Array(0),
  };
}

/** @throws CodedError `modules-unbound`, `aad-prefix-absent`, `aad-prefix-mismatch` */
function aadOf(crypto: FileCrypto, options: OpenOptions): FileAad {
  const prefix = prefixOf(crypto, options.aadPrefix);
  if (crypto.aadFileUnique === undefined && options.allowUnboundModules !== true) {
    const message =
      'nothing ties the modules of this file to their places, as DuckDB writes it: whoever ' +
      'stores it may have moved pages between columns, or from other files under the same key; ' +
      'allow it where that cannot be';
    throw parquetError('modules-unbound', message);
  }
  return new FileAad(prefix, crypto.aadFileUnique);
}

function prefixOf(crypto: FileCrypto, expected: Uint8Array | undefined): Uint8Array {
  const stored = crypto.aadPrefixStored;
  if (expected === undefined) {
    if (stored !== undefined) return stored;
    if (crypto.aadPrefixNeeded) {
      throw parquetError(
        'aad-prefix-absent',
        'the file needs an AAD prefix, and none was supplied',
      );
    }
    return new Uint8Array(0);
  }
  const has = stored ?? (crypto.aadPrefixNeeded ? expected : new Uint8Array(0));
  if (!equal(has, expected)) {
    const message = `the AAD prefix is ${toHex(has)}, expected ${toHex(expected)}`;
    throw parquetError('aad-prefix-mismatch', message);
  }
  return expected;
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
