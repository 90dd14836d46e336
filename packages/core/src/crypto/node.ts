// SPDX-License-Identifier: Apache-2.0
// The crypto port over node:crypto (OpenSSL), and Ed25519 signing keys for Node processes.
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash as hashOnce,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { concat, fromHex, toHex } from '../bytes.ts';
import { coreError } from '../errors.ts';
import { ED25519_SPKI_PREFIX, ed25519FromSpki, ed25519Spki } from './ed25519-keys.ts';
import type { CryptoPort, HashName, SignatureScheme, Signer, VerifyKey } from './port.ts';
import { pssSaltLengths } from './pss.ts';

const ED25519_PKCS8_PREFIX = fromHex('302e020100300506032b657004220420');
const MAX_CACHED_KEYS = 1024;
const ed25519Keys = new Map<string, KeyObject>();

/** The crypto port in Node. */
export const nodeCrypto: CryptoPort = {
  name: 'node',
  digest(hash, ...parts) {
    if (parts.length === 1) return bytes(hashOnce(hash, parts[0] as Uint8Array, 'buffer'));
    const running = createHash(hash);
    for (const part of parts) running.update(part);
    return bytes(running.digest());
  },
  async importKey(scheme, spki) {
    return { scheme, handle: importSpki(scheme, spki) };
  },
  async verify(key, data, signature) {
    const handle = key.handle as KeyObject;
    const hash = hashOf(key.scheme);
    try {
      return optionsOf(key.scheme, handle).some((options) =>
        verify(hash, data, { key: handle, ...options }, signature),
      );
    } catch {
      return false;
    }
  },
  async verifyEd25519(key, data, signature) {
    const handle = ed25519Key(key);
    return signature.length === 64 && verify(null, data, handle, signature);
  },
};

function bytes(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}

function importSpki(scheme: SignatureScheme, spki: Uint8Array): KeyObject {
  if (scheme === 'ed25519') ed25519FromSpki(spki);
  const p256 = scheme === 'ecdsa-p256-sha256' ? p256Jwk(spki) : undefined;
  let key: KeyObject;
  try {
    if (p256 !== undefined) return createPublicKey({ key: p256, format: 'jwk' });
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    const message = `not a public key for ${scheme}`;
    throw coreError('key-malformed', message, { cause });
  }
  checkFits(scheme, key);
  return key;
}

const P256_SPKI_PREFIX = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
  'hex',
);

/**
 * The point of a P-256 key in its usual encoding, which OpenSSL imports in two thirds of the time
 * that its DER decoder takes. Both ways check that the point is on the curve.
 */
function p256Jwk(spki: Uint8Array): JsonWebKey | undefined {
  const at = P256_SPKI_PREFIX.length;
  if (spki.length !== at + 64 || P256_SPKI_PREFIX.compare(spki, 0, at) !== 0) return undefined;
  const text = (from: number) => Buffer.from(spki.subarray(from, from + 32)).toString('base64url');
  return { kty: 'EC', crv: 'P-256', x: text(at), y: text(at + 32) };
}

const CURVES: Readonly<Record<string, string>> = {
  p256: 'prime256v1',
  p384: 'secp384r1',
  p521: 'secp521r1',
};

function checkFits(scheme: SignatureScheme, key: KeyObject): void {
  const kind = key.asymmetricKeyType ?? 'unknown';
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const family = scheme.split('-')[0];
  const fits =
    family === 'ed25519'
      ? kind === 'ed25519'
      : family === 'rsa'
        ? kind === 'rsa' || kind === 'rsa-pss'
        : kind === 'ec' && curve === CURVES[scheme.split('-')[1] as string];
  if (!fits) {
    const got = curve === undefined ? kind : `${kind} on ${curve}`;
    const message = `wanted a key for ${scheme}, got ${got}`;
    throw coreError('key-malformed', message);
  }
}

function hashOf(scheme: SignatureScheme): string | null {
  return scheme === 'ed25519' ? null : (scheme.split('-').at(-1) as HashName);
}

/** What to try, in turn: more than one thing for RSA-PSS, whose salt length is not told. */
function optionsOf(scheme: SignatureScheme, key: KeyObject): Record<string, unknown>[] {
  if (scheme.startsWith('ecdsa')) return [{ dsaEncoding: 'ieee-p1363' }];
  if (!scheme.startsWith('rsa')) return [{}];
  if (!scheme.startsWith('rsa-pss')) return [{ padding: constants.RSA_PKCS1_PADDING }];
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const modulusBits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return pssSaltLengths(modulusBits, scheme).map((saltLength) => ({ padding, saltLength }));
}

function ed25519Key(raw: Uint8Array): KeyObject {
  const id = toHex(raw);
  const known = ed25519Keys.get(id);
  if (known !== undefined) return known;
  const key = importSpki('ed25519', ed25519Spki(raw));
  if (ed25519Keys.size >= MAX_CACHED_KEYS) ed25519Keys.clear();
  ed25519Keys.set(id, key);
  return key;
}

/** A signer over a 32-byte Ed25519 seed (RFC 8032 section 5.1.5). */
export function ed25519Signer(seed: Uint8Array): Signer {
  if (seed.length !== 32) {
    const message = `an Ed25519 seed has 32 bytes, got ${seed.length}`;
    throw coreError('key-malformed', message);
  }
  const der = Buffer.from(concat(ED25519_PKCS8_PREFIX, seed));
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return signerOf(secret);
}

/** A signer with a key made on the spot that exists in this process's memory only. */
export function ephemeralEd25519Signer(): Signer {
  return signerOf(generateKeyPairSync('ed25519').privateKey);
}

function signerOf(secret: KeyObject): Signer {
  const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
  const key = bytes(spki).slice(ED25519_SPKI_PREFIX.length);
  return { key, sign: async (data) => bytes(sign(null, data, secret)) };
}

export type { VerifyKey };
