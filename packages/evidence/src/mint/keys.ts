// SPDX-License-Identifier: Apache-2.0
// Keys for development roots: fresh, or the same for the same seed. Private keys travel as PKCS #8
// (DER). Development only: seeded keys are exactly as secret as their seed.
import {
  checkPrimeSync,
  constants,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { concat, utf8 } from '@cloister/core';

export type MintKeyType = 'p256' | 'p384' | 'rsa2048';
export type MintSignature =
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pkcs1-sha256';

const CURVES = {
  p256: { node: 'prime256v1', jwk: 'P-256', bytes: 32 },
  p384: { node: 'secp384r1', jwk: 'P-384', bytes: 48 },
} as const;
const RSA_EXPONENT = 65_537n;
const PRIME_BYTES = 128;

/** A private key, PKCS #8 DER: of `seed` and `label` where a seed is given, random otherwise. */
export function mintKey(type: MintKeyType, label: string, seed?: Uint8Array): Uint8Array {
  if (seed === undefined) return exportKey(randomKey(type));
  const stream = expand(seed, `${type}/${label}`);
  return exportKey(type === 'rsa2048' ? rsaKey(stream) : ecKey(type, stream));
}

function randomKey(type: MintKeyType): KeyObject {
  if (type === 'rsa2048') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  return generateKeyPairSync('ec', { namedCurve: CURVES[type].node }).privateKey;
}

type Stream = (length: number) => Uint8Array;

/** Deterministic bytes: SHA-512 in counter mode over seed and label. */
function expand(seed: Uint8Array, label: string): Stream {
  let counter = 0;
  return (length) => {
    const parts: Uint8Array[] = [];
    for (let have = 0; have < length; have += 64) {
      const tail = utf8(`cloister/development-key/${label}/${counter++}`);
      parts.push(createHash('sha512').update(seed).update(tail).digest());
    }
    return concat(...parts).subarray(0, length);
  };
}

/** Candidates at or above the curve's order are refused by OpenSSL, so draw again. */
function ecKey(type: 'p256' | 'p384', stream: Stream): KeyObject {
  const { node, jwk, bytes } = CURVES[type];
  for (;;) {
    const secret = stream(bytes);
    const ecdh = createECDH(node);
    try {
      ecdh.setPrivateKey(secret);
    } catch {
      continue;
    }
    const point = ecdh.getPublicKey();
    const b64 = (b: Uint8Array): string => Buffer.from(b).toString('base64url');
    return createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: jwk,
        d: b64(secret),
        x: b64(point.subarray(1, 1 + bytes)),
        y: b64(point.subarray(1 + bytes)),
      },
    });
  }
}

function rsaKey(stream: Stream): KeyObject {
  const p = prime(stream);
  const q = prime(stream);
  const d = inverse(RSA_EXPONENT, (p - 1n) * (q - 1n));
  const b64 = (value: bigint): string => {
    const hex = value.toString(16);
    return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
  };
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'RSA',
      n: b64(p * q),
      e: b64(RSA_EXPONENT),
      d: b64(d),
      p: b64(p),
      q: b64(q),
      dp: b64(d % (p - 1n)),
      dq: b64(d % (q - 1n)),
      qi: b64(inverse(q, p)),
    },
  });
}

/** The two top bits set give a modulus of full length; p - 1 must be coprime to the exponent. */
function prime(stream: Stream): bigint {
  const start = stream(PRIME_BYTES).slice();
  start[0] = (start[0] as number) | 0xc0;
  start[PRIME_BYTES - 1] = (start[PRIME_BYTES - 1] as number) | 1;
  const base = BigInt(`0x${Buffer.from(start).toString('hex')}`);
  const residues = SMALL_PRIMES.map((p) => Number(base % BigInt(p)));
  for (let offset = 0; ; offset += 2) {
    if (SMALL_PRIMES.some((p, i) => ((residues[i] as number) + offset) % p === 0)) continue;
    const candidate = base + BigInt(offset);
    if (candidate % RSA_EXPONENT !== 1n && checkPrimeSync(candidate)) return candidate;
  }
}

/** Odd primes below 2,000: dividing by them first spares most of the costly tests. */
const SMALL_PRIMES: readonly number[] = sieve(2000);

function sieve(limit: number): number[] {
  const out: number[] = [];
  for (let n = 3; n < limit; n += 2) if (out.every((p) => n % p !== 0)) out.push(n);
  return out;
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}

function exportKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
}

const parsed = new WeakMap<Uint8Array, KeyObject>();

function secretKey(pkcs8: Uint8Array): KeyObject {
  const known = parsed.get(pkcs8);
  if (known !== undefined) return known;
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  parsed.set(pkcs8, key);
  return key;
}

/** SubjectPublicKeyInfo, DER. */
export function publicOf(pkcs8: Uint8Array): Uint8Array {
  const key = createPublicKey(secretKey(pkcs8));
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }));
}

/** Signs; ECDSA as r || s, or as DER for certificates. RSA-PSS salts have the hash's length. */
export function mintSign(
  scheme: MintSignature,
  pkcs8: Uint8Array,
  data: Uint8Array,
  form: 'raw' | 'der' = 'raw',
): Uint8Array {
  const key = secretKey(pkcs8);
  const hash = scheme.split('-').at(-1) as string;
  if (scheme.startsWith('ecdsa')) {
    const dsaEncoding = form === 'raw' ? 'ieee-p1363' : 'der';
    return new Uint8Array(sign(hash, data, { key, dsaEncoding }));
  }
  if (scheme === 'rsa-pkcs1-sha256') return new Uint8Array(sign(hash, data, key));
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return new Uint8Array(sign(hash, data, { key, padding, saltLength }));
}
