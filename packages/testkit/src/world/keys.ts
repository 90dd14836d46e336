// SPDX-License-Identifier: Apache-2.0
// Keys, points and digests by name, for tests: the same seed and name always give the same value.
// Nothing outside tests, simulations and benches imports this; the secrets here are public.
import { createECDH, createHash } from 'node:crypto';
import type { Random, Signer } from '@cloister/core';
import { ed25519Signer } from '@cloister/core/node';

/** 32 bytes that belong to this name under this seed. */
export function namedBytes(seed: string, name: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(`${seed}/${name}`).digest());
}

/** An Ed25519 signer that belongs to this name. */
export function namedSigner(seed: string, name: string): Signer {
  return ed25519Signer(namedBytes(seed, `ed25519/${name}`));
}

/** The secret behind `namedPoint`. */
export function namedSecret(seed: string, name: string): Uint8Array<ArrayBuffer> {
  // The order is above 2^255: with the first bit cleared, any 32 bytes but zero are a scalar.
  const secret = namedBytes(seed, `p256/${name}`);
  secret[0] = (secret[0] as number) & 0x7f;
  return secret;
}

/** An uncompressed P-256 point that belongs to this name. */
export function namedPoint(seed: string, name: string): Uint8Array<ArrayBuffer> {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(namedSecret(seed, name));
  return Uint8Array.from(ecdh.getPublicKey());
}

/** A deterministic generator: SHA-256 of the seed and a counter. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 32) {
        const block = namedBytes(seed, `random/${counter++}`);
        out.set(block.subarray(0, Math.min(32, length - at)), at);
      }
      return out;
    },
  };
}
