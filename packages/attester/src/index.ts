// SPDX-License-Identifier: Apache-2.0
// Where a node's evidence comes from: the attester port, and the launcher that is the hardware in
// simulation.
export * from './attester.ts';
export * from './errors.ts';
export * from './in-process.ts';
export * from './launched-node.ts';
export * from './launcher.ts';
export type { Duties } from './launcher-duties.ts';
export * from './measure.ts';
export * from './simulated.ts';
