// SPDX-License-Identifier: Apache-2.0
// The TLS key of an attested node: made inside, bound by its evidence, named by its join, and kept
// for the channels to come. ECDSA over P-256 with SHA-256: every TLS 1.3 implementation must have
// it (RFC 8446 section 9.1), and FIPS modules, the JVM and BoringSSL do; for Ed25519 only some do.
//
// Invariants: the private half is in this process's memory only, is never encoded, and is let go of
// by `wipe`; OpenSSL overwrites it when the last hold on it is gone.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';

export interface TlsKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Undefined once wiped. */
  readonly privateKey: KeyObject | undefined;
  wipe(): void;
}

/** A fresh key. */
export function generateTlsKey(): TlsKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  let held: KeyObject | undefined = privateKey;
  return {
    spki,
    get privateKey() {
      return held;
    },
    wipe() {
      held = undefined;
    },
  };
}
