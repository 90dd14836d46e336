// SPDX-License-Identifier: Apache-2.0
// Raw Ed25519 public keys (RFC 8032 section 5.1.5): length check, SPKI framing (RFC 8410), and the
// refusal of what implementations judge differently: coordinates past the field (non-canonical) and
// small-order points, under which one signature can hold for every message.
import { concat, equal, fromHex, toHex } from '../bytes.ts';
import { coreError } from '../errors.ts';

export const ED25519_SPKI_PREFIX = fromHex('302a300506032b6570032100');

// The y coordinates of the eight points of order 1, 2, 4 and 8, with the non-canonical forms of
// 0 and 1 (p and p+1); the sign bit is masked before the comparison.
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/**
 * Checks a raw key and frames it as SubjectPublicKeyInfo.
 * @throws CodedError `key-malformed`, `key-small-order`
 */
export function ed25519Spki(key: Uint8Array): Uint8Array<ArrayBuffer> {
  if (key.length !== 32) {
    const message = `an Ed25519 public key has 32 bytes, got ${key.length}`;
    throw coreError('key-malformed', message);
  }
  const masked = key.slice();
  masked[31] = (masked[31] as number) & 0x7f;
  if (SMALL_ORDER.has(toHex(masked))) {
    const message = 'an Ed25519 public key of small order proves nothing';
    throw coreError('key-small-order', message);
  }
  // y >= p = 2^255 - 19, little endian: all ones but for a first byte of ed (237) or more.
  if ((masked[0] as number) >= 0xed && masked[31] === 0x7f && ones(masked.subarray(1, 31))) {
    const message = 'an Ed25519 public key is not canonical: its coordinate is past the field';
    throw coreError('key-malformed', message);
  }
  return concat(ED25519_SPKI_PREFIX, key);
}

/** The raw key in a SubjectPublicKeyInfo, which must be exactly RFC 8410's. */
export function ed25519FromSpki(spki: Uint8Array): Uint8Array<ArrayBuffer> {
  const raw = spki.slice(-32);
  if (spki.length !== ED25519_SPKI_PREFIX.length + 32 || !equal(ed25519Spki(raw), spki)) {
    const message = 'not the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410)';
    throw coreError('key-malformed', message);
  }
  return raw as Uint8Array<ArrayBuffer>;
}

function ones(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0xff);
}
