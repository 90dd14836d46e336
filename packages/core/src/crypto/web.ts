// SPDX-License-Identifier: Apache-2.0
// The crypto port over WebCrypto, for browsers (and any runtime with `crypto.subtle`). Digests come
// from @noble/hashes because WebCrypto has only asynchronous ones and no SHA-3; Ed25519 falls back
// to @noble/curves where the browser lacks it (public data only, so timing does not matter).
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { sha3_512 } from '@noble/hashes/sha3.js';
import { CodedError, type CoreErrorCode } from '../errors.ts';
import { ed25519Spki } from './ed25519-keys.ts';
import type { CryptoPort, HashName, SignatureScheme } from './port.ts';

const HASHES = { sha256, sha384, sha512, 'sha3-512': sha3_512 } as const;
const CURVES = { p256: 'P-256', p384: 'P-384', p521: 'P-521' } as const;

/** The crypto port in a browser. RSA-PSS uses a salt of the hash's length there. */
export const webCrypto: CryptoPort = {
  name: 'web',
  digest(hash, ...parts) {
    const running = HASHES[hash].create();
    for (const part of parts) running.update(part);
    return running.digest() as Uint8Array<ArrayBuffer>;
  },
  async importKey(scheme, spki) {
    if (scheme === 'ed25519') {
      ed25519Spki(spki.subarray(-32));
      return { scheme, handle: spki.slice(-32) };
    }
    try {
      const copy = spki.slice();
      const handle = await crypto.subtle.importKey('spki', copy, importOf(scheme), false, [
        'verify',
      ]);
      return { scheme, handle };
    } catch (cause) {
      const message = `not a public key for ${scheme}`;
      throw new CodedError<CoreErrorCode>('key-malformed', 'malformed', message, { cause });
    }
  },
  async verify(key, data, signature) {
    if (key.scheme === 'ed25519') return verifyEd25519(key.handle as Uint8Array, data, signature);
    try {
      const algorithm = verifyOf(key.scheme);
      const handle = key.handle as CryptoKey;
      return await crypto.subtle.verify(algorithm, handle, signature.slice(), data.slice());
    } catch {
      return false;
    }
  },
  async verifyEd25519(key, data, signature) {
    ed25519Spki(key);
    return verifyEd25519(key, data, signature);
  },
};

function verifyEd25519(key: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, data, key, { zip215: false });
  } catch {
    return false;
  }
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

function verifyOf(scheme: SignatureScheme): { name: string; hash?: string; saltLength?: number } {
  if (scheme.startsWith('ecdsa')) return { name: 'ECDSA', hash: hashOf(scheme) };
  if (!scheme.startsWith('rsa-pss')) return { name: 'RSASSA-PKCS1-v1_5' };
  return { name: 'RSA-PSS', saltLength: Number(hashOf(scheme).slice(4)) / 8 };
}
