// SPDX-License-Identifier: Apache-2.0
// The crypto port over WebCrypto, for browsers (and any runtime with `crypto.subtle`). Digests come
// from @noble/hashes because WebCrypto has only asynchronous ones and no SHA-3; Ed25519 is computed
// over @noble/curves because not every browser has it (public data only, so timing does not matter)
// and because two forms must judge hostile signatures alike: without cofactor, as OpenSSL does.
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { sha3_512 } from '@noble/hashes/sha3.js';
import { equal, toHex } from '../bytes.ts';
import { coreError } from '../errors.ts';
import { ed25519FromSpki, ed25519Spki } from './ed25519-keys.ts';
import type { CryptoPort, HashName, SignatureScheme } from './port.ts';
import { pssSaltLengths } from './pss.ts';

const HASHES = { sha256, sha384, sha512, 'sha3-512': sha3_512 } as const;
const CURVES = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const;

/** The crypto port in a browser. */
export const webCrypto: CryptoPort = {
  name: 'web',
  digest(hash, ...parts) {
    const running = HASHES[hash].create();
    for (const part of parts) running.update(part);
    return running.digest() as Uint8Array<ArrayBuffer>;
  },
  async importKey(scheme, spki) {
    if (scheme === 'ed25519') {
      return { scheme, handle: ed25519FromSpki(spki) };
    }
    const of = importOf(scheme);
    const copy = spki.slice();
    try {
      return { scheme, handle: await crypto.subtle.importKey('spki', copy, of, false, ['verify']) };
    } catch (cause) {
      const message = `not a public key for ${scheme}`;
      throw coreError('key-malformed', message, { cause });
    }
  },
  async verify(key, data, signature) {
    if (key.scheme === 'ed25519') return verifyEd25519(key.handle as Uint8Array, data, signature);
    const handle = key.handle as CryptoKey;
    for (const algorithm of algorithmsOf(key.scheme, handle)) {
      try {
        const holds = crypto.subtle.verify(algorithm, handle, signature.slice(), data.slice());
        if (await holds) return true;
      } catch {
        // Bytes that WebCrypto cannot take as a signature do not verify.
      }
    }
    return false;
  },
  async verifyEd25519(key, data, signature) {
    ed25519Spki(key);
    return verifyEd25519(key, data, signature);
  },
};

/** RFC 8032 section 5.1.7, the check without cofactor: encode(sB - kA) must be R, byte for byte. */
function verifyEd25519(key: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const { Point } = ed25519;
  const a = pointOf(key);
  const r = signature.subarray(0, 32);
  const s = fromLittleEndian(signature.subarray(32));
  if (a === undefined || s >= Point.Fn.ORDER) return false;
  const k = fromLittleEndian(sha512.create().update(r).update(key).update(data).digest());
  const sB = s === 0n ? Point.ZERO : Point.BASE.multiplyUnsafe(s);
  return equal(sB.subtract(a.multiplyUnsafe(k % Point.Fn.ORDER)).toBytes(), r);
}

function pointOf(key: Uint8Array): InstanceType<typeof ed25519.Point> | undefined {
  try {
    return ed25519.Point.fromBytes(key);
  } catch {
    return undefined;
  }
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.slice().reverse())}`);
}

function hashOf(scheme: SignatureScheme): string {
  return `SHA-${(scheme.split('-').at(-1) as HashName).slice(3)}`;
}

function importOf(scheme: SignatureScheme): { name: string; namedCurve?: string; hash?: string } {
  if (scheme.startsWith('ecdsa')) {
    return { name: 'ECDSA', namedCurve: CURVES[scheme.split('-')[1] as keyof typeof CURVES] };
  }
  const name = scheme.startsWith('rsa-pss') ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5';
  return { name, hash: hashOf(scheme) };
}

interface VerifyAlgorithm {
  readonly name: string;
  readonly hash?: string;
  readonly saltLength?: number;
}

function algorithmsOf(scheme: SignatureScheme, key: CryptoKey): VerifyAlgorithm[] {
  if (scheme.startsWith('ecdsa')) return [{ name: 'ECDSA', hash: hashOf(scheme) }];
  if (!scheme.startsWith('rsa-pss')) return [{ name: 'RSASSA-PKCS1-v1_5' }];
  const { modulusLength } = key.algorithm as { modulusLength?: number };
  return pssSaltLengths(modulusLength ?? 0, scheme).map((saltLength) => ({
    name: 'RSA-PSS',
    saltLength,
  }));
}
