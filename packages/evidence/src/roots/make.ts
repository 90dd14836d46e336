// SPDX-License-Identifier: Apache-2.0
// Roots made from what people hold: a root certificate, or a bare key that someone enrolled.
import { type CryptoPort, toHex } from '@cloister/core';
import type { EvidenceKind, Root, RootFamily, Trust } from '../types.ts';
import { parsePublicKey } from '../x509/algorithms.ts';
import { parseCertificate } from '../x509/certificate.ts';

export interface RootOptions {
  readonly family: RootFamily;
  readonly kinds: readonly EvidenceKind[];
  readonly trust: Trust;
  readonly source: string;
}

/** A root from its certificate (DER). @throws CodedError `certificate-*`, `der-malformed` */
export function rootFromCertificate(
  crypto: CryptoPort,
  certificate: Uint8Array,
  options: RootOptions,
): Root {
  const copy = certificate.slice();
  const { key } = parseCertificate(copy);
  const fingerprint = toHex(crypto.digest('sha256', copy));
  return Object.freeze({ ...options, key: key.spki, certificate: copy, fingerprint });
}

/** A root from a bare SubjectPublicKeyInfo (DER). @throws CodedError `certificate-unsupported` */
export function rootFromKey(crypto: CryptoPort, spki: Uint8Array, options: RootOptions): Root {
  const key = spki.slice();
  parsePublicKey(key);
  return Object.freeze({ ...options, key, fingerprint: toHex(crypto.digest('sha256', key)) });
}
