// SPDX-License-Identifier: Apache-2.0
// The one door: dispatches evidence to the verifier of its kind through a table. A verifier checks
// signatures, chain, revocation, freshness of collateral and binding, and answers claims; it never
// judges what is acceptable (that is `appraise`).
//
// Invariants: no network, no clock, no roots of its own; whatever the bytes are, the outcome is
// claims or a CodedError.
import { CodedError } from '@cloister/core';
import { verifyAzureSnp, verifyAzureTdx } from './azure-vtpm/verify.ts';
import { EvidenceCache } from './cache.ts';
import { evidenceError } from './errors.ts';
import { verifyNitro } from './nitro/verify.ts';
import { verifyOptee } from './op-tee/verify.ts';
import { checkRoot } from './roots/encode.ts';
import { verifySnp } from './sev-snp/verify.ts';
import { verifySgx } from './sgx-dcap/verify.ts';
import { verifyTdx } from './tdx-dcap/verify.ts';
import { verifyTpm } from './tpm2/verify.ts';
import type { Claims, Evidence, EvidenceKind, VerifyOptions } from './types.ts';

/** Verifies one kind of evidence. */
export type EvidenceVerifier = (bytes: Uint8Array, options: VerifyOptions) => Promise<Claims>;

/** Within one call the same keys and certificates are met several times. */
const ONE_CALL_ENTRIES = 64;

const VERIFIERS: Readonly<Partial<Record<EvidenceKind, EvidenceVerifier>>> = {
  'sgx-dcap': verifySgx,
  'tdx-dcap': verifyTdx,
  'sev-snp': verifySnp,
  'azure-snp-vtpm': verifyAzureSnp,
  'azure-tdx-vtpm': verifyAzureTdx,
  tpm2: verifyTpm,
  nitro: verifyNitro,
  'op-tee': verifyOptee,
};

/** The kinds that `verifyEvidence` can verify. */
export const SUPPORTED_KINDS: readonly EvidenceKind[] = Object.keys(VERIFIERS) as EvidenceKind[];

/**
 * Verifies `evidence` at `options.at` (milliseconds) under the named roots.
 * @throws CodedError with an EvidenceErrorCode; see errors.ts
 */
export async function verifyEvidence(evidence: Evidence, options: VerifyOptions): Promise<Claims> {
  const verifier = VERIFIERS[evidence.kind];
  if (verifier === undefined) {
    const message = `no verifier for evidence of kind ${String(evidence.kind).slice(0, 40)}`;
    throw evidenceError('evidence-kind-unsupported', message);
  }
  for (const root of options.roots) checkRoot(options.crypto, root);
  try {
    const cache = options.cache ?? new EvidenceCache({ entries: ONE_CALL_ENTRIES });
    return await verifier(evidence.bytes.slice(), { ...options, cache });
  } catch (error) {
    if (error instanceof CodedError) throw error;
    if (error instanceof RangeError || error instanceof SyntaxError) {
      throw evidenceError(
        'evidence-malformed',
        `evidence of kind ${evidence.kind} does not parse`,
        { cause: error },
      );
    }
    throw error;
  }
}
