// SPDX-License-Identifier: Apache-2.0
// Numbers of TPM 2.0. Source: TCG Trusted Platform Module Library part 2 (structures), revision
// 1.59.

/** TPM_GENERATED_VALUE: only a restricted key signs bytes that begin so, and only the TPM's own. */
export const TPM_GENERATED = 0xff544347;
export const ST_ATTEST_QUOTE = 0x8018;

export const ALG = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

export const DIGEST_BYTES: Readonly<Record<number, number>> = {
  [ALG.sha1]: 20,
  [ALG.sha256]: 32,
  [ALG.sha384]: 48,
  [ALG.sha512]: 64,
};
export const HASH_NAMES: Readonly<Record<number, 'sha256' | 'sha384' | 'sha512'>> = {
  [ALG.sha256]: 'sha256',
  [ALG.sha384]: 'sha384',
  [ALG.sha512]: 'sha512',
};

export const CURVE_P256 = 0x0003;
export const CURVE_P384 = 0x0004;

/** TPMA_OBJECT bits (section 8.3). */
export const ATTRIBUTE = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

export const MAX_PCRS = 24;
export const MAX_EVIDENCE_BYTES = 8 * 1024 * 1024;

/** A TPM measures what firmware tells it, and protects no memory: the host is trusted. */
export const WEAKNESS_HOST = 'host-memory-unprotected';
/** A bank of SHA-1 registers is quoted. */
export const WEAKNESS_SHA1 = 'sha1-bank';
/** The attestation key was enrolled, not certified by the TPM's maker. */
export const WEAKNESS_ENROLLED = 'trust-on-enrolment';
export const WEAKNESS_NO_TCB = 'no-tcb-version';
