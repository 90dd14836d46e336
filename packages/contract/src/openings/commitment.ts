// SPDX-License-Identifier: Apache-2.0
// Salted commitments: SHA-256 of 16 random bytes and a value. The ledger holds the commitment; the
// opening (salt, value) is a blob for members. Without the salt a commitment to a short text could
// be found by trying.
import { type CryptoPort, equal, type Random } from '@cloister/core';

export interface Opening {
  /** 16 random bytes. */
  readonly salt: Uint8Array;
  readonly value: Uint8Array;
}

/** A fresh opening of `value` and its commitment. */
export function commitTo(
  value: Uint8Array,
  ports: { crypto: CryptoPort; random: Random },
): { commitment: Uint8Array; opening: Opening } {
  const opening = { salt: ports.random.bytes(16), value };
  return { commitment: commitmentOf(opening, ports.crypto), opening };
}

export function commitmentOf(opening: Opening, crypto: CryptoPort): Uint8Array {
  return crypto.digest('sha256', opening.salt, opening.value);
}

/** Whether `opening` is what `commitment` stands for. */
export function opens(commitment: Uint8Array, opening: Opening, crypto: CryptoPort): boolean {
  return opening.salt.length === 16 && equal(commitmentOf(opening, crypto), commitment);
}
