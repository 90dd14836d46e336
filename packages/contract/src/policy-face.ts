// SPDX-License-Identifier: Apache-2.0
// The face of `@cloister/contract/policy`: field policies, and the ports of the engines whose plans
// they judge.

export { type Cage, cageHolds } from './charter/body.ts';
export * from './policy/index.ts';
export * from './ports/by-kind.ts';
export * from './ports/column-types.ts';
export * from './ports/planner.ts';
export * from './ports/runner.ts';
