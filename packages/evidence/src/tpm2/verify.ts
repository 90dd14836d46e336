// SPDX-License-Identifier: Apache-2.0
// Verifies TPM 2.0 quotes:
//   1. the attestation key is an enrolled one, or its certificate chains to a named root;
//   2. it signed the quote, and the PCR values carried are the quoted ones;
//   3. where an event log is carried, it replays to them.
// That the key is restricted and cannot leave its TPM is checked when it is enrolled, by credential
// activation against the TPM's EK certificate (credential.ts), or by who certified it.
import { equal } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import type { Claims, VerifyOptions } from '../types.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { type ChainContext, rememberParsed, verifyPath } from '../x509/chain.ts';
import { type AkAnchor, tpmClaims } from './claims.ts';
import { parseTpmEvidence, type TpmEvidence } from './parse.ts';
import { verifyTpmEventLog, verifyTpmQuote } from './quote.ts';

/** Extended key usage and alternative names, which AK and EK certificates may mark critical. */
export const TPM_EXTENSIONS: ReadonlySet<string> = new Set(['2.5.29.37', '2.5.29.17']);

/** Verifies TPM evidence. @throws CodedError with an EvidenceErrorCode */
export async function verifyTpm(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  const evidence = parseTpmEvidence(bytes);
  const roots = options.roots.filter((root) => root.kinds.includes('tpm2'));
  const context: ChainContext = { ...options, roots };
  const anchor = await anchorOf(context, evidence);
  const quote = await verifyTpmQuote(context, evidence, evidence.ak);
  const log =
    evidence.log.length === 0
      ? undefined
      : verifyTpmEventLog(options.crypto, evidence.pcrs, evidence.log);
  return tpmClaims(options.crypto, { evidence, quote, log, ...anchor }, options.at);
}

async function anchorOf(context: ChainContext, evidence: TpmEvidence): Promise<AkAnchor> {
  const root = context.roots.find((r) => r.certificate === undefined && equal(r.key, evidence.ak));
  if (root !== undefined) return { root, enrolled: true, validUntil: Number.POSITIVE_INFINITY };
  if (evidence.chain.length === 0) {
    throw evidenceError(
      'root-untrusted',
      'the attestation key is not enrolled and has no certificate',
    );
  }
  const parse = (der: Uint8Array) => rememberParsed(context, 'certificate', der, parseCertificate);
  const certificates = await Promise.all(evidence.chain.map(parse));
  const path = await verifyPath(context, certificates, { understood: TPM_EXTENSIONS });
  if (!equal(path.certificates[0]?.key.spki ?? new Uint8Array(0), evidence.ak)) {
    throw evidenceError('binding-invalid', 'the certificate is of another attestation key');
  }
  return { root: path.root, enrolled: false, validUntil: path.validUntil };
}
