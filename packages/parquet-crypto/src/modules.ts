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
import { overLimit, parquetError } from './errors.ts';
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

/** What AES needs of a key; may be posted to another thread. */
export type AesKeyParts = Pick<AesKey, 'bits' | 'object'>;

/** An AES key of 128, 192 or 256 bits. */
export class AesKey {
  readonly bits: 128 | 192 | 256;
  readonly object: KeyObject;

  constructor(bytes: Uint8Array, name: string) {
    const bits = bytes.length * 8;
    if (bits !== 128 && bits !== 192 && bits !== 256) {
      throw parquetError('key-length', `${name} has ${bytes.length} bytes; AES takes 16, 24 or 32`);
    }
    this.bits = bits;
    this.object = createSecretKey(bytes);
  }
}

const EMPTY = new Uint8Array(0);

/** The AADs of one file. */
export class FileAad {
  /** Undefined where modules are tied to nothing. */
  private readonly base: Uint8Array | undefined;

  /** Without a unique part modules have empty AADs, as DuckDB writes them, and may be moved. */
  constructor(prefix: Uint8Array, fileUnique: Uint8Array | undefined) {
    this.base = fileUnique && concat(prefix, fileUnique);
  }

  footer(): Uint8Array {
    return this.base === undefined ? EMPTY : concat(this.base, Uint8Array.of(MODULE.footer));
  }

  /** A module of a column chunk that is not a data page or its header. */
  chunk(type: number, rowGroup: number, column: number): Uint8Array {
    if (this.base === undefined) return EMPTY;
    return concat(this.base, Uint8Array.of(type), ordinal(rowGroup), ordinal(column));
  }

  /** A data page or its header; `page` counts data pages only, from 0. */
  page(type: number, rowGroup: number, column: number, page: number): Uint8Array {
    if (this.base === undefined) return EMPTY;
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

/** What is sealed or opened: bytes, whole or in parts. */
export type Bytes = Uint8Array | readonly Uint8Array[];

/** Encrypts one module, with its framing. */
export function sealGcm(key: AesKeyParts, aad: Uint8Array, plain: Bytes): Uint8Array[] {
  const nonce = freshNonce();
  const cipher = createCipheriv(`aes-${key.bits}-gcm`, key.object, nonce);
  cipher.setAAD(aad);
  const parts: Uint8Array[] = [frame(nonce, byteLength(plain) + TAG_BYTES)];
  update(cipher, plain, parts);
  cipher.final();
  parts.push(cipher.getAuthTag());
  return parts;
}

/** Encrypts one page under AES_GCM_CTR_V1, with its framing; nothing authenticates it. */
export function sealCtr(key: AesKeyParts, plain: Bytes): Uint8Array[] {
  const nonce = freshNonce();
  const cipher = createCipheriv(`aes-${key.bits}-ctr`, key.object, counterBlock(nonce));
  const parts: Uint8Array[] = [frame(nonce, byteLength(plain))];
  update(cipher, plain, parts);
  cipher.final();
  return parts;
}

/** A framed module, taken apart. */
export interface Framed {
  /** Length, nonce. */
  readonly head: Uint8Array;
  readonly ciphertext: Bytes;
  /** Empty under CTR. */
  readonly tag: Uint8Array;
}

/** Decrypts one framed module and checks its tag. @throws CodedError `tag-invalid`, and framing */
export function openGcm(
  key: AesKeyParts,
  aad: Uint8Array,
  module: Uint8Array | Framed,
  where: () => string,
): Uint8Array[] {
  const { head, ciphertext, tag } =
    module instanceof Uint8Array ? unframe(module, where) : checkedFrame(module, where);
  const nonce = head.subarray(LENGTH_BYTES);
  const decipher = createDecipheriv(`aes-${key.bits}-gcm`, key.object, nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  const parts: Uint8Array[] = [];
  update(decipher, ciphertext, parts);
  try {
    decipher.final();
  } catch {
    throw tagInvalid(where);
  }
  return parts;
}

/** Decrypts one framed page of AES_GCM_CTR_V1. */
export function openCtr(key: AesKeyParts, module: Framed, where: () => string): Uint8Array[] {
  const { head, ciphertext } = checkedFrame(module, where);
  const iv = counterBlock(head.subarray(LENGTH_BYTES));
  const decipher = createDecipheriv(`aes-${key.bits}-ctr`, key.object, iv);
  const parts: Uint8Array[] = [];
  update(decipher, ciphertext, parts);
  decipher.final();
  return parts;
}

function tagInvalid(where: () => string): Error {
  const message = `the tag of ${where()} does not hold: wrong key, changed or moved bytes`;
  return parquetError('tag-invalid', message);
}

/** The signature of a plaintext footer: nonce and GCM tag (Encryption.md section 5.5). */
export function signFooter(key: AesKey, aad: Uint8Array, footer: Bytes): Uint8Array {
  return concat(...footerTag(key, aad, footer, freshNonce()));
}

/** Nonce and tag of a footer under a given nonce. */
export function footerTag(
  key: AesKey,
  aad: Uint8Array,
  footer: Bytes,
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
  const [a = 0, b = 0, c = 0, d = 0] = head;
  return LENGTH_BYTES + a + b * 0x100 + c * 0x10000 + d * 0x1000000;
}

/** Joins the parts of a small module. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : joinBytes(parts);
}

/** The length of bytes, whole or in parts. */
export function byteLength(bytes: Bytes): number {
  if (bytes instanceof Uint8Array) return bytes.length;
  let length = 0;
  for (const part of bytes) length += part.length;
  return length;
}

function unframe(module: Uint8Array, where: () => string): Framed {
  const end = Math.max(0, module.length - TAG_BYTES);
  const framed = {
    head: module.subarray(0, LENGTH_BYTES + NONCE_BYTES),
    ciphertext: module.subarray(Math.min(end, LENGTH_BYTES + NONCE_BYTES), end),
    tag: module.subarray(end),
  };
  if (module.length < GCM_OVERHEAD) throw wrongLength(module.length, where);
  return checkedFrame(framed, where);
}

function checkedFrame(module: Framed, where: () => string): Framed {
  const { head, ciphertext, tag } = module;
  const length = head.length + byteLength(ciphertext) + tag.length;
  if (moduleLength(head) !== length) throw wrongLength(length, where);
  return module;
}

function wrongLength(length: number, where: () => string): Error {
  const message = `${where()} has ${length} bytes, which its length prefix contradicts`;
  return parquetError('tag-invalid', message);
}

function frame(nonce: Uint8Array, payload: number): Uint8Array {
  const out = new Uint8Array(LENGTH_BYTES + NONCE_BYTES);
  const length = NONCE_BYTES + payload;
  for (let i = 0; i < LENGTH_BYTES; i++) out[i] = length >>> (8 * i);
  out.set(nonce, LENGTH_BYTES);
  return out;
}

function counterBlock(nonce: Uint8Array): Uint8Array {
  return concat(nonce, Uint8Array.of(0, 0, 0, 1));
}

function update(
  cipher: { update(data: Uint8Array): Buffer },
  data: Bytes,
  into: Uint8Array[],
): void {
  for (const part of data instanceof Uint8Array ? [data] : data) {
    for (let at = 0; at < part.length; at += PIECE) {
      into.push(cipher.update(part.subarray(at, at + PIECE)));
    }
  }
}
