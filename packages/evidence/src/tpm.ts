// SPDX-License-Identifier: Apache-2.0
// The face of `@cloister/evidence/tpm` (Node only): enrolling a TPM's attestation key, and making
// evidence of what a TPM answered.
export * from './tpm2/authority.ts';
export { ALG, ATTRIBUTE, CURVE_P256, CURVE_P384, MAX_PCRS } from './tpm2/constants.ts';
export * from './tpm2/credential.ts';
export { encodeTpmEvidence, type TpmEvidence } from './tpm2/parse.ts';
export { measurementOfPcrs, type PcrBanks } from './tpm2/quote.ts';
export { encodePcrSelection, type TpmPublic } from './tpm2/structures.ts';
