// SPDX-License-Identifier: Apache-2.0
// Secret scalars: drawn at random, or derived for one proof. A nonce is hedged: HMAC over fresh
// randomness and the statement under the secret itself, so that neither a weak generator nor a
// repeated statement alone repeats a nonce under another challenge. Candidates out of [1, n-1] are
// drawn again (probability 2^-32 each).
import { createHmac } from 'node:crypto';
import type { Random } from '@cloister/core';
import { thresholdError } from '../errors.ts';
import { isScalar, SCALAR_BYTES } from '../point.ts';

const MAX_DRAWS = 16;

export function hmacSha256(key: Uint8Array, ...data: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key);
  for (const part of data) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** A uniform scalar in [1, n-1]. @throws CodedError `random-exhausted`: a broken generator */
export function randomScalar(random: Random): Uint8Array<ArrayBuffer> {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const bytes = random.bytes(SCALAR_BYTES);
    if (isScalar(bytes)) return bytes;
  }
  throw exhausted();
}

/** A nonce for one proof about `statement` with `secret`. */
export function hedgedNonce(random: Random, secret: Uint8Array, statement: Uint8Array): Uint8Array {
  const fresh = random.bytes(SCALAR_BYTES);
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const nonce = hmacSha256(secret, Uint8Array.of(draw), fresh, statement);
    if (isScalar(nonce)) return nonce;
  }
  throw exhausted();
}

function exhausted() {
  const message = `no scalar in range in ${MAX_DRAWS} draws: the random generator is broken`;
  return thresholdError('random-exhausted', message);
}
