// SPDX-License-Identifier: Apache-2.0
// HPKE (RFC 9180), base mode, one message, one suite: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
// AES-256-GCM. Sealing to a key, opening with a key, and opening from an outside dh. Wire form of a
// sealed message: enc (65 bytes), then ciphertext and tag.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concat, type Random, systemRandom } from '@cloister/core';
import { thresholdError } from '../errors.ts';
import { hpkeKeys, keyCandidate } from '../hpke-schedule.ts';
import { isScalar, POINT_BYTES, parsePoint } from '../point.ts';
import { Multiplier } from './multiply.ts';
import { hmacSha256, randomScalar } from './secret.ts';

const TAG_BYTES = 16;
const MAX_CANDIDATES = 256;

/** An HPKE key pair. The private key leaves only by reading `privateKey`. */
export class HpkeKeyPair {
  /** 65 bytes, uncompressed. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly #secret: Uint8Array;
  readonly #multiplier: Multiplier;

  /** Takes a copy of 32 bytes in [1, n-1]. @throws CodedError `scalar-out-of-range` */
  constructor(privateKey: Uint8Array) {
    this.#multiplier = new Multiplier(privateKey);
    this.#secret = Uint8Array.from(privateKey);
    this.publicKey = this.#multiplier.bytes;
  }

  /** A copy of the 32 bytes, for a store that keeps them; the reader wipes it. */
  get privateKey(): Uint8Array<ArrayBuffer> {
    this.#multiplier.x(this.publicKey);
    return Uint8Array.from(this.#secret);
  }

  /** x of the private key times a checked point: DHKEM's dh. */
  dh(enc: Uint8Array): Uint8Array<ArrayBuffer> {
    parsePoint(enc);
    return this.#multiplier.x(enc);
  }

  wipe(): void {
    this.#secret.fill(0);
    this.#multiplier.wipe();
  }

  toJSON(): never {
    throw thresholdError('secret-not-serialisable', 'a key pair is never serialised');
  }
}

/** A fresh key pair. */
export function generateHpkeKeyPair(random: Random = systemRandom): HpkeKeyPair {
  const ikm = random.bytes(32);
  const pair = deriveHpkeKeyPair(ikm);
  ikm.fill(0);
  return pair;
}

/** The pair of a private key that was kept. @throws CodedError `scalar-out-of-range` */
export function hpkeKeyPairFrom(privateKey: Uint8Array): HpkeKeyPair {
  return new HpkeKeyPair(privateKey);
}

/** DeriveKeyPair (RFC 9180 section 7.1.3). */
export function deriveHpkeKeyPair(ikm: Uint8Array): HpkeKeyPair {
  for (let counter = 0; counter < MAX_CANDIDATES; counter++) {
    const candidate = keyCandidate(hmacSha256, ikm, counter);
    if (!isScalar(candidate)) continue;
    const pair = new HpkeKeyPair(candidate);
    candidate.fill(0);
    return pair;
  }
  throw thresholdError('random-exhausted', 'no key in 256 candidates');
}

/** Seals `plaintext` to `publicKey` (65 bytes): enc, then ciphertext and tag. */
export function hpkeSeal(args: {
  publicKey: Uint8Array;
  info: Uint8Array;
  aad: Uint8Array;
  plaintext: Uint8Array;
  random?: Random;
}): Uint8Array<ArrayBuffer> {
  const ephemeral = randomScalar(args.random ?? systemRandom);
  const { enc, ct } = sealWith(ephemeral, args);
  ephemeral.fill(0);
  return concat(enc, ct);
}

/** Seals under a chosen ephemeral scalar, which must never be used twice. */
export function sealWith(
  ephemeral: Uint8Array,
  args: { publicKey: Uint8Array; info: Uint8Array; aad: Uint8Array; plaintext: Uint8Array },
): { enc: Uint8Array<ArrayBuffer>; ct: Uint8Array<ArrayBuffer> } {
  parsePoint(args.publicKey);
  const multiplier = new Multiplier(ephemeral);
  const enc = multiplier.bytes;
  const dh = multiplier.x(args.publicKey);
  multiplier.wipe();
  const keys = hpkeKeys(hmacSha256, { dh, enc, recipient: args.publicKey, info: args.info });
  const cipher = createCipheriv('aes-256-gcm', keys.key, keys.nonce);
  cipher.setAAD(args.aad);
  const body = cipher.update(args.plaintext);
  cipher.final();
  const ct = concat(body, cipher.getAuthTag());
  for (const bytes of [dh, keys.key, keys.nonce]) bytes.fill(0);
  return { enc, ct };
}

/**
 * Opens what `hpkeSeal` made.
 * @throws CodedError `hpke-open-failed` (wrong key, info, aad or bytes) and the point codes
 */
export function hpkeOpen(args: {
  keyPair: HpkeKeyPair;
  info: Uint8Array;
  aad: Uint8Array;
  sealed: Uint8Array;
}): Uint8Array<ArrayBuffer> {
  const enc = args.sealed.slice(0, POINT_BYTES);
  const ct = args.sealed.subarray(POINT_BYTES);
  const dh = args.keyPair.dh(enc);
  const { info, aad } = args;
  const opened = openWithDh({ dh, enc, recipient: args.keyPair.publicKey, info, aad, ct });
  dh.fill(0);
  if (opened === undefined) {
    const message = 'an HPKE message does not open: wrong key, info, associated data or bytes';
    throw thresholdError('hpke-open-failed', message);
  }
  return opened;
}

/** Opens from the 32-byte dh; undefined when the tag does not hold. */
export function openWithDh(args: {
  dh: Uint8Array;
  enc: Uint8Array;
  recipient: Uint8Array;
  info: Uint8Array;
  aad: Uint8Array;
  ct: Uint8Array;
}): Uint8Array<ArrayBuffer> | undefined {
  if (args.ct.length < TAG_BYTES) return undefined;
  const keys = hpkeKeys(hmacSha256, args);
  const split = args.ct.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', keys.key, keys.nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(args.aad);
  decipher.setAuthTag(args.ct.subarray(split));
  const plain = Uint8Array.from(decipher.update(args.ct.subarray(0, split)));
  for (const bytes of [keys.key, keys.nonce]) bytes.fill(0);
  try {
    decipher.final();
    return plain;
  } catch {
    plain.fill(0);
    return undefined;
  }
}
