// SPDX-License-Identifier: Apache-2.0
// OP-TEE's attestation pseudo trusted application. Source: OP-TEE OS,
// lib/libutee/include/pta_attestation.h and core/pta/attestation.c (version 4.x).

/** Commands whose output is a digest and a signature over it. */
export const COMMANDS = {
  'ta-header-digest': 1,
  'ta-memory': 2,
  'tee-memory': 3,
} as const;
export type OpteeCommand = keyof typeof COMMANDS;

export const DIGEST_BYTES = 32;
export const UUID_BYTES = 16;
/** TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256 with a salt of 32. */
export const SCHEME = 'rsa-pss-sha256';
/** The first part of every nonce that the project asks for. */
export const NONCE_DOMAIN = 'cloister/op-tee/nonce/v1';
export const MAX_EVIDENCE_BYTES = 4096;

/** The key is made on the device, without certificate: it is worth what its enrolment is. */
export const WEAKNESS_ENROLLED = 'trust-on-enrolment';
/** The PTA measures memory of its caller, but the signed bytes do not name the command. */
export const WEAKNESS_COMMAND = 'command-bound-by-nonce-only';
/** No rollback number is signed. */
export const WEAKNESS_NO_TCB = 'no-tcb-version';
