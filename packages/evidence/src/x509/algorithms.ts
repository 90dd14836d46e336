// SPDX-License-Identifier: Apache-2.0
// Signature algorithms and keys of X.509 as the vendors use them: ECDSA with the curve's own hash
// (RFC 5758), RSA PKCS #1 v1.5 (RFC 4055), and RSA-PSS with MGF1 over the same hash and a salt of
// the hash's length (RFC 4055 section 3.1). Everything else is unsupported.
import type { SignatureScheme } from '@cloister/core';
import { isCoded } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type DerReader, derRoot, TAG } from './der.ts';

/** What an AlgorithmIdentifier of a signature says. ECDSA's curve comes from the key. */
export type SignatureFamily = 'ecdsa-sha256' | 'ecdsa-sha384' | 'ecdsa-sha512' | RsaScheme;
type RsaScheme = Extract<SignatureScheme, `rsa-${string}`>;

const PLAIN: Readonly<Record<string, SignatureFamily>> = {
  '1.2.840.10045.4.3.2': 'ecdsa-sha256',
  '1.2.840.10045.4.3.3': 'ecdsa-sha384',
  '1.2.840.10045.4.3.4': 'ecdsa-sha512',
  '1.2.840.113549.1.1.11': 'rsa-pkcs1-sha256',
  '1.2.840.113549.1.1.12': 'rsa-pkcs1-sha384',
  '1.2.840.113549.1.1.13': 'rsa-pkcs1-sha512',
};
const OID_PSS = '1.2.840.113549.1.1.10';
const OID_MGF1 = '1.2.840.113549.1.1.8';
const HASHES: Readonly<Record<string, { name: 'sha256' | 'sha384' | 'sha512'; bytes: number }>> = {
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', bytes: 32 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', bytes: 48 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', bytes: 64 },
};
const OID_EC_KEY = '1.2.840.10045.2.1';
const CURVES: Readonly<Record<string, { name: 'p256' | 'p384' | 'p521'; bytes: number }>> = {
  '1.2.840.10045.3.1.7': { name: 'p256', bytes: 32 },
  '1.3.132.0.34': { name: 'p384', bytes: 48 },
  '1.3.132.0.35': { name: 'p521', bytes: 66 },
};
const OID_RSA_KEY = '1.2.840.113549.1.1.1';
/** NIST SP 800-131A: RSA below 2,048 bits does not verify anything here. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/** Parses an AlgorithmIdentifier's contents. @throws CodedError `certificate-unsupported` */
export function signatureFamily(reader: DerReader): SignatureFamily {
  const oid = reader.oid();
  if (oid === OID_PSS) return pssFamily(reader.enter());
  const known = PLAIN[oid];
  if (known === undefined) throw evidenceError('certificate-unsupported', `algorithm ${oid}`);
  if (!reader.done) reader.read(TAG.null);
  reader.end();
  return known;
}

function pssFamily(reader: DerReader): SignatureFamily {
  const hash = HASHES[oidWithNull(reader.enter(0xa0).enter())];
  const mask = reader.enter(0xa1).enter();
  if (mask.oid() !== OID_MGF1) throw evidenceError('certificate-unsupported', 'PSS without MGF1');
  const maskHash = HASHES[oidWithNull(mask.enter())];
  const salt = reader.enter(0xa2).small();
  if (reader.next === 0xa3 && reader.enter(0xa3).small() !== 1) {
    throw evidenceError('certificate-unsupported', 'PSS with another trailer');
  }
  reader.end();
  if (hash === undefined || maskHash !== hash || salt !== hash.bytes) {
    throw evidenceError('certificate-unsupported', 'PSS with mixed hashes or another salt length');
  }
  return `rsa-pss-${hash.name}`;
}

function oidWithNull(reader: DerReader): string {
  const oid = reader.oid();
  if (!reader.done) reader.read(TAG.null);
  reader.end();
  return oid;
}

/** A public key as a certificate carries it. */
export interface PublicKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly curve?: 'p256' | 'p384' | 'p521';
  /** EC: x || y. */
  readonly point?: Uint8Array;
  readonly rsaBits?: number;
  readonly rsaModulus?: Uint8Array;
}

/** Parses a SubjectPublicKeyInfo. @throws CodedError `certificate-unsupported`, `der-malformed` */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  const reader = derRoot(spki);
  const algorithm = reader.enter();
  const oid = algorithm.oid();
  if (oid === OID_EC_KEY) {
    const curve = CURVES[algorithm.oid()];
    const point = reader.bits();
    reader.end();
    if (curve === undefined) throw evidenceError('certificate-unsupported', 'another curve');
    if (point.length !== 1 + 2 * curve.bytes || point[0] !== 4) {
      throw evidenceError('certificate-malformed', 'an EC key is not an uncompressed point');
    }
    return { spki, curve: curve.name, point: point.subarray(1) };
  }
  if (oid !== OID_RSA_KEY) throw evidenceError('certificate-unsupported', `key algorithm ${oid}`);
  if (!algorithm.done) algorithm.read(TAG.null);
  const key = derRoot(reader.bits());
  reader.end();
  const modulus = key.integer();
  const bare = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  const bits = bare.length * 8 - Math.clz32(bare[0] ?? 0) + 24;
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    throw evidenceError('certificate-unsupported', `RSA of ${bits} bits`);
  }
  const exponent = key.small();
  key.end();
  if (exponent < 3 || exponent % 2 === 0) {
    throw evidenceError('certificate-malformed', 'an RSA exponent is even or too small');
  }
  return { spki, rsaBits: bits, rsaModulus: bare };
}

/** The port's scheme for a signature of `family` under `key`; undefined where they do not fit. */
export function schemeFor(family: SignatureFamily, key: PublicKey): SignatureScheme | undefined {
  if (family.startsWith('rsa'))
    return key.rsaBits === undefined ? undefined : (family as RsaScheme);
  const scheme = { p256: 'sha256', p384: 'sha384', p521: 'sha512' } as const;
  if (key.curve === undefined || family !== `ecdsa-${scheme[key.curve]}`) return undefined;
  return `ecdsa-${key.curve}-${scheme[key.curve]}` as SignatureScheme;
}

/** Raw r || s from the DER form (RFC 3279 section 2.2.3), or undefined where it does not parse. */
export function rawEcdsa(der: Uint8Array, width: number): Uint8Array | undefined {
  const out = new Uint8Array(2 * width);
  try {
    const reader = derRoot(der);
    for (const at of [0, width]) {
      const value = reader.integer();
      const bare = value[0] === 0 ? value.subarray(1) : value;
      if (bare.length > width || (value[0] as number) >= 0x80) return undefined;
      out.set(bare, at + width - bare.length);
    }
    reader.end();
  } catch (error) {
    if (!isCoded(error)) throw error;
    return undefined;
  }
  return out;
}

export const CURVE_BYTES = { p256: 32, p384: 48, p521: 66 } as const;
const P256_SPKI_PREFIX = Uint8Array.from([
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
  0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
]);

/** SubjectPublicKeyInfo of the P-256 point x || y (64 bytes). */
export function p256Spki(point: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(P256_SPKI_PREFIX.length + 64);
  out.set(P256_SPKI_PREFIX);
  out.set(point.subarray(0, 64), P256_SPKI_PREFIX.length);
  return out;
}
