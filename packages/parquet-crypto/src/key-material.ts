// SPDX-License-Identifier: Apache-2.0
// PKMT1 key material: the JSON that parquet-java, Arrow and Spark keep in a module's key metadata.
// It names a master key and carries the data key (DEK), wrapped either by the master key, or by a
// key encryption key (KEK) that the master key wraps (double wrapping). The key tools of
// parquet-java define it; parquet-format does not.
//
//   { "keyMaterialType": "PKMT1", "internalStorage": true, "isFooterKey": true,
//     "kmsInstanceID": "DEFAULT", "kmsInstanceURL": "DEFAULT",       footer key only
//     "masterKeyID": "...", "doubleWrapping": true,
//     "keyEncryptionKeyID": base64, "wrappedKEK": text of the KMS,   double wrapping only
//     "wrappedDEK": base64, or text of the KMS }
//
// With external storage the metadata holds only a reference into a file of such texts.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { concat, fromUtf8, isCoded, toBase64, utf8 } from '@cloister/core';
import { parquetError } from './errors.ts';
import { type AesKey, NONCE_BYTES, TAG_BYTES } from './modules.ts';

/** Parsed key material. */
export interface KeyMaterial {
  readonly isFooterKey: boolean;
  readonly masterKeyId: string;
  readonly kmsInstanceId?: string;
  readonly kmsInstanceUrl?: string;
  /** Present with double wrapping. */
  readonly kek?: { readonly id: Uint8Array; readonly wrapped: string };
  readonly wrappedDek: string;
}

/** Key metadata is key material itself, or a reference to where it is kept outside the file. */
export type KeyMetadata =
  | { readonly storage: 'internal'; readonly material: KeyMaterial }
  | { readonly storage: 'external'; readonly reference: string };

const TYPE = 'PKMT1';
/** Key material is some hundred bytes. */
const TEXT_MAX = 64 * 1024;

/** Key material as JSON; what is kept outside the file does not say where it is kept. */
export function encodeKeyMaterial(material: KeyMaterial, internal: boolean): string {
  const footer = {
    kmsInstanceID: material.kmsInstanceId ?? 'DEFAULT',
    kmsInstanceURL: material.kmsInstanceUrl ?? 'DEFAULT',
  };
  const kek = material.kek;
  return JSON.stringify({
    keyMaterialType: TYPE,
    ...(internal ? { internalStorage: true } : {}),
    isFooterKey: material.isFooterKey,
    ...(material.isFooterKey ? footer : {}),
    masterKeyID: material.masterKeyId,
    doubleWrapping: kek !== undefined,
    ...(kek === undefined ? {} : { keyEncryptionKeyID: toBase64(kek.id), wrappedKEK: kek.wrapped }),
    wrappedDEK: material.wrappedDek,
  });
}

/** Key metadata that refers to external key material. */
export function encodeKeyReference(reference: string): string {
  return JSON.stringify({
    keyMaterialType: TYPE,
    internalStorage: false,
    keyReference: reference,
  });
}

/** @throws CodedError `key-material-malformed` */
export function parseKeyMetadata(bytes: Uint8Array): KeyMetadata {
  if (bytes.length > TEXT_MAX) throw wrong('is longer than key material ever is');
  const fields = parseObject(fromUtf8OrWrong(bytes));
  if (fields['internalStorage'] === false) {
    return { storage: 'external', reference: text(fields, 'keyReference') };
  }
  return { storage: 'internal', material: materialOf(fields) };
}

/** Key material that was kept outside. @throws CodedError `key-material-malformed` */
export function parseKeyMaterial(json: string): KeyMaterial {
  if (json.length > TEXT_MAX) throw wrong('is longer than key material ever is');
  return materialOf(parseObject(json));
}

function materialOf(fields: Record<string, unknown>): KeyMaterial {
  const double = fields['doubleWrapping'];
  const isFooterKey = fields['isFooterKey'];
  if (typeof double !== 'boolean') throw wrong('does not say whether wrapping is double');
  if (typeof isFooterKey !== 'boolean') throw wrong('does not say whether it is the footer key');
  const base = {
    isFooterKey,
    masterKeyId: text(fields, 'masterKeyID'),
    wrappedDek: text(fields, 'wrappedDEK'),
    ...(isFooterKey
      ? {
          kmsInstanceId: text(fields, 'kmsInstanceID'),
          kmsInstanceUrl: text(fields, 'kmsInstanceURL'),
        }
      : {}),
  };
  if (!double) return base;
  const id = base64(text(fields, 'keyEncryptionKeyID'));
  return { ...base, kek: { id, wrapped: text(fields, 'wrappedKEK') } };
}

function parseObject(json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw wrong('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong('is not a JSON object');
  }
  const fields = value as Record<string, unknown>;
  if (fields['keyMaterialType'] !== TYPE) throw wrong(`is not of type ${TYPE}`);
  return fields;
}

function text(fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw wrong(`has no text ${name}`);
  return value;
}

function fromUtf8OrWrong(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (!isCoded(error)) throw error;
    throw wrong('is not text');
  }
}

/** Standard base64, as Java and Python write it. */
export function base64(value: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw wrong('has a field that is not base64');
  return new Uint8Array(Buffer.from(value, 'base64'));
}

function wrong(what: string): Error {
  return parquetError('key-material-malformed', `key material ${what}`);
}

/** Wraps a key: nonce 12 | ciphertext | tag 16, in base64. */
export function wrapKey(key: AesKey, secret: Uint8Array, aad: Uint8Array): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(`aes-${key.bits}-gcm`, key.object, nonce);
  cipher.setAAD(aad);
  const sealed = cipher.update(secret);
  cipher.final();
  return toBase64(concat(nonce, sealed, cipher.getAuthTag()));
}

/** Unwraps what `wrapKey` gives; a length prefix of four bytes is tolerated. */
export function unwrapKey(
  key: AesKey,
  wrapped: string,
  aad: Uint8Array,
  name: string,
): Uint8Array<ArrayBuffer> {
  let bytes = base64(wrapped);
  const prefix = bytes.length >= 4 ? new DataView(bytes.buffer).getUint32(0, true) : 0;
  if (prefix === bytes.length - 4) bytes = bytes.subarray(4);
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) throw wrong('has a wrapped key that is too short');
  const end = bytes.length - TAG_BYTES;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(`aes-${key.bits}-gcm`, key.object, nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad);
  decipher.setAuthTag(bytes.subarray(end));
  const secret = decipher.update(bytes.subarray(NONCE_BYTES, end));
  try {
    decipher.final();
  } catch {
    throw parquetError('tag-invalid', `${name} does not unwrap: wrong key, or changed bytes`);
  }
  return new Uint8Array(secret);
}

/** The AAD under which a master key wraps: its id. */
export function masterKeyAad(masterKeyId: string): Uint8Array {
  return utf8(masterKeyId);
}
