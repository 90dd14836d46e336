// SPDX-License-Identifier: Apache-2.0
// The contract: events as typed values, and what both sides of a ledger compute from them.
export * from './commitment.ts';
export * from './digest-tree.ts';
export * from './events/bodies.ts';
export type { CharterBody, Environment, Member, Operator } from './events/charter.ts';
export * from './events/event.ts';
export type { Input, Price } from './events/shapes.ts';
export type * from './ports.ts';
export * from './report-data.ts';
export * from './task-openings.ts';
