// SPDX-License-Identifier: Apache-2.0
// The codes of this package. A code says which link of the proof broke, its kind what sort of
// failure that is.
import { coreError, type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const evidenceError = errorTable({
  // the envelope
  'evidence-malformed': { kind: 'malformed', says: 'Bytes are not evidence of this kind.' },
  'evidence-trailing-bytes': { kind: 'malformed', says: 'Bytes follow the end of the evidence.' },
  'evidence-kind-unsupported': {
    kind: 'unsupported',
    says: 'Nothing here handles this for evidence of this kind.',
  },
  'evidence-version-unsupported': {
    kind: 'unsupported',
    says: 'The format has a version that this build does not read.',
  },
  'evidence-key-type-unsupported': {
    kind: 'unsupported',
    says: 'The evidence is signed by a kind of key that its format here has not.',
  },
  'evidence-cert-type-unsupported': {
    kind: 'unsupported',
    says: 'The certificates come in a form that this build does not read.',
  },
  'evidence-field-invalid': {
    kind: 'malformed',
    says: 'A field has a value that no sound evidence of this kind has.',
  },
  'hardware-id-masked': {
    kind: 'unsupported',
    says: 'The report masks its chip id, and a seat names its chip.',
  },
  // encodings and certificates
  'der-malformed': { kind: 'malformed', says: 'Bytes are not the DER that was expected.' },
  'pem-malformed': { kind: 'malformed', says: 'Text is not PEM.' },
  'certificate-malformed': {
    kind: 'malformed',
    says: 'Bytes are not a certificate, or lack what one of this use must have.',
  },
  'certificate-unsupported': {
    kind: 'unsupported',
    says: 'A certificate uses an algorithm or an extension that is not handled.',
  },
  'certificate-missing': {
    kind: 'malformed',
    says: 'A chain lacks a certificate that it must have.',
  },
  'certificate-signature-invalid': {
    kind: 'verification',
    says: 'A certificate is not signed by its issuer.',
  },
  'certificate-issuer-mismatch': {
    kind: 'verification',
    says: 'A certificate names another issuer than the next of its chain.',
  },
  'certificate-usage-invalid': {
    kind: 'verification',
    says: 'A certificate may not be used for this.',
  },
  'certificate-not-yet-valid': {
    kind: 'verification',
    says: 'A certificate is not valid yet at the time given.',
  },
  'certificate-expired': {
    kind: 'verification',
    says: 'A certificate or a signed document is too old at the time given.',
  },
  'certificate-revoked': { kind: 'verification', says: 'The issuer has revoked a certificate.' },
  'chain-too-long': { kind: 'malformed', says: "A chain has more certificates than any vendor's." },
  'root-malformed': { kind: 'malformed', says: 'Bytes are not a trusted root.' },
  'root-untrusted': {
    kind: 'verification',
    says: 'The chain does not end in a root that is trusted for this.',
  },
  'crl-malformed': { kind: 'malformed', says: 'Bytes are not a revocation list.' },
  'crl-issuer-mismatch': { kind: 'verification', says: 'A revocation list is of another issuer.' },
  'crl-signature-invalid': {
    kind: 'verification',
    says: 'A revocation list is not signed by its issuer.',
  },
  'crl-not-yet-valid': {
    kind: 'verification',
    says: 'A revocation list is not in force yet at the time given.',
  },
  'crl-expired': {
    kind: 'verification',
    says: 'A revocation list is too old at the time given; fetch collateral anew.',
  },
  // collateral and levels
  'collateral-malformed': {
    kind: 'malformed',
    says: 'Bytes are not a bundle of collateral, or it contradicts itself.',
  },
  'collateral-missing': {
    kind: 'usage',
    says: 'Collateral that this evidence needs is not among what was given.',
  },
  'collateral-mismatch': {
    kind: 'verification',
    says: 'The collateral is for another kind or another platform.',
  },
  'tcb-info-malformed': { kind: 'malformed', says: 'Bytes are not the TCB info of a platform.' },
  'tcb-info-signature-invalid': {
    kind: 'verification',
    says: 'TCB info is not signed by its TCB signing certificate.',
  },
  'tcb-info-not-yet-valid': {
    kind: 'verification',
    says: 'TCB info is not in force yet at the time given.',
  },
  'tcb-info-expired': {
    kind: 'verification',
    says: 'TCB info is too old at the time given; fetch collateral anew.',
  },
  'tcb-info-mismatch': {
    kind: 'verification',
    says: 'TCB info is of another platform than the evidence.',
  },
  'tcb-level-unmatched': {
    kind: 'verification',
    says: 'The platform meets no level that its vendor has published.',
  },
  'tcb-mismatch': {
    kind: 'verification',
    says: 'The report and its certificate name different levels.',
  },
  'qe-identity-malformed': {
    kind: 'malformed',
    says: 'Bytes are not the identity of a quoting enclave.',
  },
  'qe-identity-signature-invalid': {
    kind: 'verification',
    says: 'The identity is not signed by its TCB signing certificate.',
  },
  'qe-identity-not-yet-valid': {
    kind: 'verification',
    says: 'The identity is not in force yet at the time given.',
  },
  'qe-identity-expired': {
    kind: 'verification',
    says: 'The identity is too old at the time given; fetch collateral anew.',
  },
  'qe-identity-mismatch': {
    kind: 'verification',
    says: 'The quote was made by another enclave than the identity describes.',
  },
  'qe-report-signature-invalid': {
    kind: 'verification',
    says: 'The report of the quoting enclave is not signed by its platform.',
  },
  'qe-binding-invalid': {
    kind: 'verification',
    says: 'The quoting enclave does not vouch for the key that signed.',
  },
  // what was measured
  'signature-invalid': {
    kind: 'verification',
    says: 'The evidence is not signed by its attestation key.',
  },
  'hardware-id-mismatch': {
    kind: 'verification',
    says: 'The report is of another chip than its certificate.',
  },
  'module-identity-mismatch': {
    kind: 'verification',
    says: 'The TDX module is not one that its vendor names.',
  },
  'event-log-malformed': { kind: 'malformed', says: 'Bytes are not an event log.' },
  'event-log-mismatch': {
    kind: 'verification',
    says: 'The event log does not give the registers that were quoted.',
  },
  'binding-invalid': {
    kind: 'verification',
    says: 'One part of the evidence does not vouch for the other.',
  },
  // policies and results
  'policy-field-missing': {
    kind: 'usage',
    says: "The policy says nothing of a field: give a value, or 'any'.",
  },
  'policy-malformed': coreError.rows['policy-malformed'],
  'ear-malformed': { kind: 'malformed', says: 'Text is not an attestation result (EAR).' },
  'ear-signature-invalid': {
    kind: 'verification',
    says: 'An attestation result is not signed by the key given.',
  },
  'mint-usage': { kind: 'usage', says: 'Evidence of this form cannot be minted.' },
});

export type EvidenceErrorCode = ErrorCodeOf<typeof evidenceError>;

/** Why evidence that verifies is not what a policy wants; a caller may throw what it was told. */
export const appraisalError = errorTable({
  'kind-not-allowed': {
    kind: 'verification',
    says: 'The evidence is of a kind that the policy does not allow.',
  },
  'trust-not-allowed': {
    kind: 'verification',
    says: 'The evidence has another trust (simulated or real) than allowed.',
  },
  'family-not-allowed': {
    kind: 'verification',
    says: 'The hardware is of a maker that the policy does not allow.',
  },
  'binding-not-allowed': {
    kind: 'verification',
    says: 'The report is bound in a way that the policy does not allow.',
  },
  'measurement-not-allowed': {
    kind: 'verification',
    says: 'Another program was measured than the policy allows.',
  },
  'register-not-allowed': {
    kind: 'verification',
    says: 'A register has a value that the policy does not allow.',
  },
  'signer-not-allowed': {
    kind: 'verification',
    says: 'The program is signed by others than the policy allows.',
  },
  'report-data-mismatch': {
    kind: 'verification',
    says: 'The evidence was made over other data than it must bind.',
  },
  'svn-too-low': {
    kind: 'verification',
    says: "A security version is below the policy's minimum.",
  },
  'tcb-status-not-accepted': {
    kind: 'verification',
    says: "The platform's TCB status is not one that the policy accepts.",
  },
  'advisory-not-accepted': {
    kind: 'verification',
    says: 'The platform has an advisory that the policy does not accept.',
  },
  'collateral-too-old': {
    kind: 'verification',
    says: "The collateral is older than the policy's minimum.",
  },
  'hardware-not-enrolled': {
    kind: 'verification',
    says: 'The hardware is not one that was enrolled.',
  },
  'debug-refused': {
    kind: 'verification',
    says: 'The program can be debugged, so it keeps no secret.',
  },
  'migratable-refused': {
    kind: 'verification',
    says: 'The machine can be moved to another host, which the policy refuses.',
  },
  'weakness-not-accepted': {
    kind: 'verification',
    says: 'The evidence has a weakness that the policy does not accept.',
  },
});

export type AppraisalCode = ErrorCodeOf<typeof appraisalError>;
