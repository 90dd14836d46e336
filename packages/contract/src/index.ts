// SPDX-License-Identifier: Apache-2.0
// The contract: events as typed values, and what both sides of a ledger compute from them.
export * from './admit.ts';
export * from './appraise-join.ts';
export * from './bill.ts';
export * from './charter-rules.ts';
export * from './checkpoint-follower.ts';
export * from './commitment.ts';
export * from './digest-tree.ts';
export * from './errors.ts';
export * from './events/bodies.ts';
export type { CharterBody, Environment, Member, Operator } from './events/charter.ts';
export * from './events/event.ts';
export type { Input, Price } from './events/shapes.ts';
export * from './fold/fold.ts';
export { isMember, joinBySigner, memberByIdentity, versionKey } from './fold/lookup.ts';
export * from './fold/rights.ts';
export * from './fold/state.ts';
export * from './fold/task-state.ts';
export * from './fold/void-codes.ts';
export * from './founding-charter.ts';
export * from './openings.ts';
export type * from './ports.ts';
export * from './quorum.ts';
export * from './report-data.ts';
export * from './result-keys.ts';
export * from './task-openings.ts';
export * from './vendor-rule.ts';
