// SPDX-License-Identifier: Apache-2.0
// The items of an SNP bundle: what AMD's key distribution service gives for a product.
//
//   ask    the ASK certificate (SEV-<product>), DER or PEM; a chain with the ARK is accepted
//   asvk   the same for VLEKs (SEV-VLEK-<product>); at least one of the two
//   crl    optional: the ARK's revocation list, DER
//   leaf   optional: one VCEK or VLEK, DER, for reports that come without their certificate table
import { evidenceError } from '../errors.ts';
import { commonName, parseCertificate } from '../x509/certificate.ts';
import { isSelfIssued } from '../x509/chain.ts';
import { parseCrl } from '../x509/crl.ts';
import { parseCertificates } from '../x509/pem.ts';

const MS_PER_DAY = 86_400_000;
const KNOWN = new Set(['ask', 'asvk', 'crl', 'leaf']);
const NAME = /^SEV-(VLEK-)?(Milan|Genoa|Turin)$/;

/** Subject: the product. Number: the day (since 1970) of the CRL, 0 without one. */
export function deriveSnp(items: Readonly<Record<string, Uint8Array>>): {
  subject: string;
  number: number;
} {
  for (const name of Object.keys(items)) {
    if (!KNOWN.has(name)) throw evidenceError('collateral-malformed', `unknown item '${name}'`);
  }
  const products = new Set<string>();
  for (const name of ['ask', 'asvk']) {
    const bytes = items[name];
    if (bytes === undefined) continue;
    for (const certificate of parseCertificates(bytes).map(parseCertificate)) {
      if (isSelfIssued(certificate)) continue;
      const product = NAME.exec(commonName(certificate.subject))?.[2];
      if (product === undefined) {
        throw evidenceError(
          'collateral-malformed',
          `'${name}' is not AMD's intermediate certificate`,
        );
      }
      products.add(product);
    }
  }
  const [subject] = products;
  if (subject === undefined || products.size > 1) {
    throw evidenceError(
      'collateral-malformed',
      `wanted one product, got ${[...products].join(', ')}`,
    );
  }
  const crl = items['crl'] === undefined ? undefined : parseCrl(items['crl']);
  const number = crl === undefined ? 0 : Math.floor(crl.thisUpdate / MS_PER_DAY);
  return { subject, number };
}
