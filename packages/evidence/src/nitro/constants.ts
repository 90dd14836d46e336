// SPDX-License-Identifier: Apache-2.0
// Numbers of AWS Nitro Enclaves attestation documents. Source: AWS Nitro Enclaves NSM API,
// docs/attestation_process.md (syntactical and cryptographic validation).

export const COSE_ALG_ES384 = -35;
export const TAG_COSE_SIGN1 = 0xd2;
export const MAX_DOCUMENT_BYTES = 65_536;
export const MAX_CABUNDLE = 5;
export const MAX_CERTIFICATE_BYTES = 1024;
export const MAX_FIELD_BYTES = 512;
export const MAX_PUBLIC_KEY_BYTES = 1024;
/** SHA-384 is the only digest that documents name. */
export const DIGEST = 'SHA384';
export const PCR_COUNT = 32;
/** How much later, and how much earlier, than a document's own time it may be judged. */
export const MAX_AGE_MS = 3 * 60 * 60 * 1000;
export const MAX_LEAD_MS = 5 * 60 * 1000;

/** The parent instance's owner runs the hypervisor host that AWS administers. */
export const WEAKNESS_OPERATOR = 'maker-is-operator';
/** No firmware or TCB version is signed. */
export const WEAKNESS_NO_TCB = 'no-tcb-version';
/** No revocation list exists; leaves live three hours. */
export const WEAKNESS_REVOCATION = 'revocation-unchecked';
