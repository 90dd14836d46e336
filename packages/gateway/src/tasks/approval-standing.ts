// SPDX-License-Identifier: Apache-2.0
// What an approval has come to: a policy may ask for several persons of an owner, and one who
// approves twice is still one. Counted from the fold, as keepers count.
import { type Input, type Task, versionKey, versionOf } from '@cloister/contract';
import { toHex } from '@cloister/core';
import { type Gateway, stateInForce } from '../context.ts';

export interface ApprovalStanding {
  /** Persons of ours who have approved, and as many as the policies ask for. */
  readonly persons: number;
  readonly needed: number;
}

/** Whether this person has approved the use of one of these inputs already. */
export function hasApproved(
  task: Task | undefined,
  inputs: readonly Input[],
  person: Uint8Array,
): boolean {
  const grants = inputs.map((input) => task?.grants.get(versionKey(input)));
  return grants.some((persons) => persons?.has(toHex(person)));
}

/** Of these inputs of ours, how the one stands that wants the most persons still. */
export function approvalStanding(
  gateway: Gateway,
  task: string,
  inputs: readonly Input[],
): ApprovalStanding {
  const state = stateInForce(gateway);
  const grants = state.tasks.get(task)?.grants;
  const all = inputs.map((input) => ({
    persons: grants?.get(versionKey(input))?.size ?? 0,
    needed: versionOf(state, input)?.body.approvals ?? 1,
  }));
  const [first] = all.toSorted((a, b) => b.needed - b.persons - (a.needed - a.persons));
  return first ?? { persons: 0, needed: 1 };
}
