// SPDX-License-Identifier: Apache-2.0
// HPKE's derivations (RFC 9180 sections 4, 4.1 and 5.1) for the one suite used here:
// DHKEM(P-256, HKDF-SHA256) 0x0010, HKDF-SHA256 0x0001, AES-256-GCM 0x0002, base mode, from a dh
// that came from outside: from one private key, from t partial openings or from a complaint.
// HMAC is a port because Node has a native one and browsers only an asynchronous one.
import { concat, utf8 } from '@cloister/core';

const VERSION = utf8('HPKE-v1');
const KEM_SUITE = concat(utf8('KEM'), Uint8Array.of(0x00, 0x10));
const HPKE_SUITE = concat(utf8('HPKE'), Uint8Array.of(0x00, 0x10, 0x00, 0x01, 0x00, 0x02));
const NONE = new Uint8Array(0);
const MODE_BASE = 0x00;

export type HmacSha256 = (key: Uint8Array, ...data: readonly Uint8Array[]) => Uint8Array;

/** The AEAD key (32 bytes) and the nonce (12 bytes) of the first message. Wipe after use. */
export interface HpkeKeys {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

/** Keys from the 32-byte dh (x of the shared point), enc and the recipient's key (65 bytes). */
export function hpkeKeys(
  hmac: HmacSha256,
  args: { dh: Uint8Array; enc: Uint8Array; recipient: Uint8Array; info: Uint8Array },
): HpkeKeys {
  const kemContext = concat(args.enc, args.recipient);
  const prk = extract(hmac, KEM_SUITE, NONE, 'eae_prk', args.dh);
  const shared = expand(hmac, KEM_SUITE, prk, 'shared_secret', kemContext, 32);
  const pskIdHash = extract(hmac, HPKE_SUITE, NONE, 'psk_id_hash', NONE);
  const infoHash = extract(hmac, HPKE_SUITE, NONE, 'info_hash', args.info);
  const context = concat(Uint8Array.of(MODE_BASE), pskIdHash, infoHash);
  const secret = extract(hmac, HPKE_SUITE, shared, 'secret', NONE);
  const key = expand(hmac, HPKE_SUITE, secret, 'key', context, 32);
  const nonce = expand(hmac, HPKE_SUITE, secret, 'base_nonce', context, 12);
  for (const bytes of [prk, shared, secret]) bytes.fill(0);
  return { key, nonce };
}

/** DeriveKeyPair's candidate (section 7.1.3) of DHKEM(P-256): 32 bytes that may be out of range. */
export function keyCandidate(hmac: HmacSha256, ikm: Uint8Array, counter: number): Uint8Array {
  const prk = extract(hmac, KEM_SUITE, NONE, 'dkp_prk', ikm);
  const candidate = expand(hmac, KEM_SUITE, prk, 'candidate', Uint8Array.of(counter), 32);
  prk.fill(0);
  return candidate;
}

function extract(
  hmac: HmacSha256,
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  ikm: Uint8Array,
): Uint8Array {
  return hmac(salt, VERSION, suite, utf8(label), ikm);
}

/** One block is enough: every length here is at most 32. */
function expand(
  hmac: HmacSha256,
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const long = Uint8Array.of(length >> 8, length & 0xff);
  const block = hmac(prk, long, VERSION, suite, utf8(label), info, Uint8Array.of(1));
  return block.subarray(0, length);
}
