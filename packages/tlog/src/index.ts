// SPDX-License-Identifier: Apache-2.0
// Merkle trees, tiles, checkpoints, cosignatures, freshness and the witness. Runs in Node and in a
// browser; a witness's file is in `@cloister/tlog/node`.
export * from './checkpoint.ts';
export * from './cosignature.ts';
export { type TlogErrorCode, tlogError } from './errors.ts';
export * from './freshness.ts';
export { emptyRoot, HASH_SIZE, leafHash, nodeHash, type TreeHead } from './hash.ts';
export * from './note.ts';
export * from './prove.ts';
export * from './ranges.ts';
export * from './tiles.ts';
export * from './tree.ts';
export * from './verify-proof.ts';
export * from './witness.ts';
export type { WitnessKey, WitnessPolicy, WitnessTime } from './witness-set.ts';
export type { ForkEvidence, WitnessState, WitnessStore } from './witness-state.ts';
