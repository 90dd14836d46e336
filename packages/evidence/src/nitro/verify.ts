// SPDX-License-Identifier: Apache-2.0
// Verifies Nitro attestation documents:
//   1. the certificate chains through the CA bundle to a named root;
//   2. everything on the chain is valid at the document's own time, which the signature covers, and
//      that time is at most three hours before the time given (leaves live about as long) and at
//      most five minutes after it (clocks that follow a ledger lag);
//   3. the certificate's P-384 key signed the document (COSE_Sign1, ES384).
// Source: AWS Nitro Enclaves NSM API, docs/attestation_process.md. There is no revocation list.
import { evidenceError } from '../errors.ts';
import type { Claims, VerifyOptions } from '../types.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { type ChainContext, importedKey, rememberParsed, verifyPath } from '../x509/chain.ts';
import { nitroClaims } from './claims.ts';
import { MAX_AGE_MS, MAX_LEAD_MS } from './constants.ts';
import { type NitroDocument, parseNitro } from './parse.ts';

/** Verifies Nitro evidence. @throws CodedError with an EvidenceErrorCode */
export async function verifyNitro(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  const document = parseNitro(bytes);
  checkAge(document, options.at);
  const roots = options.roots.filter((root) => root.kinds.includes('nitro'));
  const context: ChainContext = { ...options, roots, at: document.timestamp };
  const parse = (der: Uint8Array) => rememberParsed(context, 'certificate', der, parseCertificate);
  const leaf = await parse(document.certificate);
  const bundle = await Promise.all(document.cabundle.map(parse));
  const path = await verifyPath(context, [leaf, ...bundle.reverse()]);
  const holds =
    leaf.key.curve === 'p384' &&
    (await context.crypto.verify(
      await importedKey(context, 'ecdsa-p384-sha384', leaf.key.spki),
      document.signed,
      document.signature,
    ));
  if (!holds)
    throw evidenceError('signature-invalid', 'the document is not signed by its certificate');
  return nitroClaims(document, path, options.at);
}

function checkAge(document: NitroDocument, at: number): void {
  if (document.timestamp > at + MAX_LEAD_MS) {
    throw evidenceError('evidence-field-invalid', 'the document is of a time after the one given');
  }
  if (at - document.timestamp > MAX_AGE_MS) {
    throw evidenceError(
      'certificate-expired',
      'the document is older than three hours at that time',
    );
  }
}
