// SPDX-License-Identifier: Apache-2.0
// The authority behind endorsement certificates, from the files that people have: PEM or DER, the
// root and the issuers under it in any order. What issued itself is a root; naming the file is what
// makes it trusted.
import { type CryptoPort, toHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type RootOptions, rootFromCertificate } from '../roots/make.ts';
import type { Root } from '../types.ts';
import { commonName, parseCertificate } from '../x509/certificate.ts';
import { isSelfIssued } from '../x509/chain.ts';
import { parseCertificates } from '../x509/pem.ts';

export interface EkAuthority {
  readonly roots: readonly Root[];
  /** DER: what may stand between an endorsement certificate and a root. */
  readonly issuers: readonly Uint8Array[];
}

/**
 * Reads an authority's certificates.
 * @throws CodedError `root-malformed` when none of them is a root, and the X.509 codes
 */
export function ekAuthority(
  crypto: CryptoPort,
  files: readonly Uint8Array[],
  options: Pick<RootOptions, 'family' | 'trust'>,
): EkAuthority {
  const roots: Root[] = [];
  const issuers: Uint8Array[] = [];
  for (const der of files.flatMap(parseCertificates)) {
    const certificate = parseCertificate(der);
    if (!isSelfIssued(certificate)) {
      issuers.push(der);
      continue;
    }
    const fingerprint = toHex(crypto.digest('sha256', der)).slice(0, 16);
    const source = `'${commonName(certificate.subject)}' (${fingerprint}...)`;
    roots.push(rootFromCertificate(crypto, der, { ...options, kinds: ['tpm2'], source }));
  }
  if (roots.length > 0) return { roots, issuers };
  throw evidenceError(
    'root-malformed',
    'none of these certificates is a root: which one is trusted?',
  );
}
