// SPDX-License-Identifier: Apache-2.0
// Encrypted modules (parquet-format Encryption.md sections 4.2, 4.4 and 5.1): framing, nonces, and
// the AAD that ties a module to its file and its place in it.
//
//   GCM   length (4, LE) | nonce 12 | ciphertext | tag 16       length counts what follows it
//   CTR   length (4, LE) | nonce 12 | ciphertext                IV = nonce | 00 00 00 01
//   AAD   prefix | file unique | type (1) | row group (2, LE) | column (2, LE) | page (2, LE)
//         the footer has the type alone; only data pages and their headers have a page ordinal
//
// Invariants: a nonce is 96 random bits and never reused; no plaintext leaves `open` before its tag
// has held; plaintext and ciphertext come as parts of at most PIECE bytes, because larger
// allocations cost more than AES does.
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from 'node:crypto';
import { concat } from '@cloister/core';
import { joinBytes } from './bytes.ts';
import { misused, overLimit, refused } from './errors.ts';
import { ORDINAL_MAX } from './format.ts';

export type EncryptionAlgorithm = 'AES_GCM_V1' | 'AES_GCM_CTR_V1';

/** Module types (Encryption.md section 4.4.2). */
export const MODULE = {
  footer: 0,
  columnMetadata: 1,
  dataPage: 2,
  dictionaryPage: 3,
  dataPageHeader: 4,
  dictionaryPageHeader: 5,
  columnIndex: 6,
  offsetIndex: 7,
  bloomFilterHeader: 8,
  bloomFilterBitset: 9,
} as const;

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const LENGTH_BYTES = 4;
/** What GCM framing adds to a module. */
export const GCM_OVERHEAD = LENGTH_BYTES + NONCE_BYTES + TAG_BYTES;
/** What CTR framing adds to a page. */
export const CTR_OVERHEAD = LENGTH_BYTES + NONCE_BYTES;

const PIECE = 64 * 1024;

/** An AES key of 128, 192 or 256 bits. */
export class AesKey {
  readonly bits: 128 | 192 | 256;
  readonly object: KeyObject;

  constructor(bytes: Uint8Array, name: string) {
    const bits = bytes.length * 8;
    if (bits !== 128 && bits !== 192 && bits !== 256) {
      throw misused('key-length', `${name} has ${bytes.length} bytes; AES takes 16, 24 or 32`);
    }
    this.bits = bits;
    this.object = createSecretKey(bytes);
  }
}

/** The AADs of one file. */
export class FileAad {
  private readonly base: Uint8Array;

  constructor(prefix: Uint8Array, fileUnique: Uint8Array) {
    this.base = concat(prefix, fileUnique);
  }

  footer(): Uint8Array {
    return concat(this.base, Uint8Array.of(MODULE.footer));
  }

  /** A module of a column chunk that is not a data page or its header. */
  chunk(type: number, rowGroup: number, column: number): Uint8Array {
    return concat(this.base, Uint8Array.of(type), ordinal(rowGroup), ordinal(column));
  }

  /** A data page or its header; `page` counts data pages only, from 0. */
  page(type: number, rowGroup: number, column: number, page: number): Uint8Array {
    return concat(this.chunk(type, rowGroup, column), ordinal(page));
  }
}

function ordinal(value: number): Uint8Array {
  if (value > ORDINAL_MAX)
    throw overLimit('an ordinal of a row group, column or page', value, ORDINAL_MAX);
  return Uint8Array.of(value & 0xff, value >> 8);
}

const nonces = new Uint8Array(NONCE_BYTES * 256);
let noncesLeft = 0;

function freshNonce(): Uint8Array {
  if (noncesLeft === 0) {
    randomFillSync(nonces);
    noncesLeft = 256;
  }
  noncesLeft--;
  return nonces.slice(noncesLeft * NONCE_BYTES, (noncesLeft + 1) * NONCE_BYTES);
}

/** Encrypts one module, with its framing. */
export function sealGcm(key: AesKey, aad: Uint8Array, plain: Uint8Array): Uint8Array[] {
  const nonce = freshNonce();
  const cipher = createCipheriv(`aes-${key.bits}-gcm`, key.object, nonce);
  cipher.setAAD(aad);
  const parts: Uint8Array[] = [frame(nonce, plain.length + TAG_BYTES)];
  update(cipher, plain, parts);
  cipher.final();
  parts.push(cipher.getAuthTag());
  return parts;
}

/** Encrypts one page under AES_GCM_CTR_V1, with its framing; nothing authenticates it. */
export function sealCtr(key: AesKey, plain: Uint8Array): Uint8Array[] {
  const nonce = freshNonce();
  const cipher = createCipheriv(`aes-${key.bits}-ctr`, key.object, counterBlock(nonce));
  const parts: Uint8Array[] = [frame(nonce, plain.length)];
  update(cipher, plain, parts);
  cipher.final();
  return parts;
}

/** Decrypts one framed module and checks its tag. @throws CodedError `tag-invalid`, and framing */
export function openGcm(
  key: AesKey,
  aad: Uint8Array,
  module: Uint8Array,
  where: () => string,
): Uint8Array[] {
  const body = framed(module, GCM_OVERHEAD, where);
  const end = body.length - TAG_BYTES;
  const decipher = createDecipheriv(
    `aes-${key.bits}-gcm`,
    key.object,
    body.subarray(0, NONCE_BYTES),
    { authTagLength: TAG_BYTES },
  );
  decipher.setAAD(aad);
  decipher.setAuthTag(body.subarray(end));
  const parts: Uint8Array[] = [];
  update(decipher, body.subarray(NONCE_BYTES, end), parts);
  try {
    decipher.final();
  } catch {
    const message = `the tag of ${where()} does not hold: wrong key, changed or moved bytes`;
    throw refused('tag-invalid', message);
  }
  return parts;
}

/** Decrypts one framed page of AES_GCM_CTR_V1. */
export function openCtr(key: AesKey, module: Uint8Array, where: () => string): Uint8Array[] {
  const body = framed(module, CTR_OVERHEAD, where);
  const iv = counterBlock(body.subarray(0, NONCE_BYTES));
  const decipher = createDecipheriv(`aes-${key.bits}-ctr`, key.object, iv);
  const parts: Uint8Array[] = [];
  update(decipher, body.subarray(NONCE_BYTES), parts);
  decipher.final();
  return parts;
}

/** The signature of a plaintext footer: nonce and GCM tag (Encryption.md section 5.5). */
export function signFooter(key: AesKey, aad: Uint8Array, footer: Uint8Array): Uint8Array {
  return concat(...footerTag(key, aad, footer, freshNonce()));
}

/** Nonce and tag of a footer under a given nonce. */
export function footerTag(
  key: AesKey,
  aad: Uint8Array,
  footer: Uint8Array,
  nonce: Uint8Array,
): [Uint8Array, Uint8Array] {
  const cipher = createCipheriv(`aes-${key.bits}-gcm`, key.object, nonce);
  cipher.setAAD(aad);
  update(cipher, footer, []);
  cipher.final();
  return [nonce, cipher.getAuthTag()];
}

/** The length that a module's first four bytes claim for the whole module, framing included. */
export function moduleLength(head: Uint8Array): number {
  return LENGTH_BYTES + new DataView(head.buffer, head.byteOffset, head.length).getUint32(0, true);
}

/** Joins the parts of a small module. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : joinBytes(parts);
}

function framed(module: Uint8Array, overhead: number, where: () => string): Uint8Array {
  if (module.length < overhead || moduleLength(module) !== module.length) {
    const message = `${where()} has ${module.length} bytes, which its length prefix contradicts`;
    throw refused('tag-invalid', message);
  }
  return module.subarray(LENGTH_BYTES);
}

function frame(nonce: Uint8Array, payload: number): Uint8Array {
  const out = new Uint8Array(LENGTH_BYTES + NONCE_BYTES);
  new DataView(out.buffer).setUint32(0, NONCE_BYTES + payload, true);
  out.set(nonce, LENGTH_BYTES);
  return out;
}

function counterBlock(nonce: Uint8Array): Uint8Array {
  return concat(nonce, Uint8Array.of(0, 0, 0, 1));
}

function update(
  cipher: { update(data: Uint8Array): Buffer },
  data: Uint8Array,
  into: Uint8Array[],
): void {
  for (let at = 0; at < data.length; at += PIECE) {
    into.push(cipher.update(data.subarray(at, at + PIECE)));
  }
}
