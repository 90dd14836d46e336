// SPDX-License-Identifier: Apache-2.0
// What every attested node is: keeper and worker are made of it.
export * from './brisk-peer.ts';
export type { AttestedErrorCode } from './errors.ts';
export * from './log.ts';
export * from './patience.ts';
