// SPDX-License-Identifier: Apache-2.0
// The stable codes of this package. A code says which link of the proof broke; `kind` on the error
// says what sort of failure that is (malformed, verification, policy, unsupported, usage).
import { CodedError, type ErrorDetails } from '@cloister/core';

/** Codes that `verifyEvidence`, `appraise` and the parsers throw. */
export type EvidenceErrorCode =
  | 'evidence-malformed'
  | 'evidence-trailing-bytes'
  | 'evidence-kind-unsupported'
  | 'evidence-version-unsupported'
  | 'evidence-key-type-unsupported'
  | 'evidence-cert-type-unsupported'
  | 'evidence-field-invalid'
  | 'der-malformed'
  | 'pem-malformed'
  | 'certificate-malformed'
  | 'certificate-unsupported'
  | 'certificate-missing'
  | 'certificate-signature-invalid'
  | 'certificate-issuer-mismatch'
  | 'certificate-usage-invalid'
  | 'certificate-not-yet-valid'
  | 'certificate-expired'
  | 'certificate-revoked'
  | 'chain-too-long'
  | 'root-malformed'
  | 'root-untrusted'
  | 'crl-malformed'
  | 'crl-missing'
  | 'crl-issuer-mismatch'
  | 'crl-signature-invalid'
  | 'crl-not-yet-valid'
  | 'crl-expired'
  | 'collateral-malformed'
  | 'collateral-missing'
  | 'collateral-mismatch'
  | 'tcb-info-malformed'
  | 'tcb-info-signature-invalid'
  | 'tcb-info-not-yet-valid'
  | 'tcb-info-expired'
  | 'tcb-info-mismatch'
  | 'tcb-level-unmatched'
  | 'tcb-mismatch'
  | 'qe-identity-malformed'
  | 'qe-identity-signature-invalid'
  | 'qe-identity-not-yet-valid'
  | 'qe-identity-expired'
  | 'qe-identity-mismatch'
  | 'qe-report-signature-invalid'
  | 'qe-binding-invalid'
  | 'signature-invalid'
  | 'hardware-id-mismatch'
  | 'module-identity-mismatch'
  | 'event-log-malformed'
  | 'event-log-mismatch'
  | 'binding-invalid'
  | 'credential-invalid'
  | 'policy-field-missing'
  | 'policy-malformed'
  | 'ear-malformed'
  | 'ear-signature-invalid'
  | 'mint-usage';

/** Bytes that do not parse. */
export function malformed(code: EvidenceErrorCode, message: string, cause?: unknown): CodedError {
  return new CodedError<EvidenceErrorCode>(code, 'malformed', message, { cause });
}

/** Bytes that parse, but a signature, a binding, a date or a digest does not hold. */
export function refused(
  code: EvidenceErrorCode,
  message: string,
  details: ErrorDetails = {},
): CodedError {
  return new CodedError<EvidenceErrorCode>(code, 'verification', message, { details });
}

/** Well-formed, and not something this build handles. */
export function unsupported(code: EvidenceErrorCode, message: string): CodedError {
  return new CodedError<EvidenceErrorCode>(code, 'unsupported', message);
}

/** The caller asked wrongly. */
export function usage(code: EvidenceErrorCode, message: string): CodedError {
  return new CodedError<EvidenceErrorCode>(code, 'usage', message);
}
