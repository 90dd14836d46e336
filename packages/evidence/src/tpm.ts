// SPDX-License-Identifier: Apache-2.0
// The face of `@cloister/evidence/tpm` (Node only): enrolling a TPM's attestation key.
export * from './tpm2/credential.ts';
