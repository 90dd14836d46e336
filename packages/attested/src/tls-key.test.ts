// SPDX-License-Identifier: Apache-2.0
// A node's TLS key: which kind, both halves of one, gone when wiped.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { generateTlsKey } from './tls-key.ts';

it('is ECDSA on P-256, keeps its private half, and lets go of it', () => {
  const key = generateTlsKey();
  const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' });
  expect(publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  const message = Buffer.from('a handshake');
  const signature = sign('sha256', message, key.privateKey as KeyObject);
  expect(verify('sha256', message, publicKey, signature)).toBe(true);
  expect(generateTlsKey().spki).not.toEqual(key.spki);
  key.wipe();
  expect(key.privateKey).toBeUndefined();
});
