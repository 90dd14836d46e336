// SPDX-License-Identifier: Apache-2.0
// The public side of key sharing: formats and verification, without secrets, in Node and in a
// browser alike. What holds secrets is in `@cloister/threshold/node`.
export { MAX_SEATS } from './check.ts';
export * from './committee.ts';
export * from './complaint.ts';
export { type Curve, publicCurve } from './curve.ts';
export * from './deal.ts';
export { type ThresholdErrorCode, thresholdError } from './errors.ts';
export * from './label.ts';
export { lagrangeAtZero } from './lagrange.ts';
export * from './partials.ts';
export { isScalar, POINT_BYTES, parsePoint, SCALAR_BYTES } from './point.ts';
export {
  type DleqPair,
  type DleqStatement,
  PROOF_BYTES,
  type SchnorrStatement,
  verifyDleqBatch,
  verifySchnorr,
} from './proofs.ts';
export * from './reveal.ts';
export {
  asSealedKey,
  assertSealedKey,
  CheckedSealedKey,
  encodeSealedKey,
  MASTER_KEY_BYTES,
  parseSealedKey,
  SEALED_CT_BYTES,
  SEALED_KEY_VERSION,
  type SealedKey,
  type SealedKeyCheck,
  verifySealedKey,
} from './sealed-key.ts';
