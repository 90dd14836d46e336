// SPDX-License-Identifier: Apache-2.0
// The face of the package: verify evidence, appraise claims. Minting is in `@cloister/evidence/mint`.
export * from './appraise.ts';
export * from './cache.ts';
export * from './errors.ts';
export * from './types.ts';
export * from './verify.ts';
