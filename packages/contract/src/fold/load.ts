// SPDX-License-Identifier: Apache-2.0
// What a member has the state keep: the events of its datasets, of its open tasks, and of their
// runs, by their bytes. It has a bound, or one member could fill the memory of every reader, and
// with the keepers' memory the key would go. spec/events.md, "Bounds".
import type { FoldState, Task } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Bytes of events; objects of them take a few times as much. */
export const LOAD_MAX = 32 * 1_048_576;

/** Whether the state may keep so many bytes more for a member (by id). */
export function judgeLoad(state: FoldState, member: string, bytes: number): Verdict {
  const before = state.load.get(member) ?? 0;
  if (before + bytes <= LOAD_MAX) return undefined;
  const got = `${member} has ${before} bytes, ${bytes} more are too many of ${LOAD_MAX}`;
  return voided('member-load', got);
}

export function addLoad(state: FoldState, member: string, bytes: number): void {
  state.load.set(member, (state.load.get(member) ?? 0) + bytes);
}

/** What is kept of a task, charged to its proposer until the task is forgotten. */
export function addToTask(state: FoldState, task: Task, bytes: number): void {
  task.size += bytes;
  addLoad(state, task.proposer, bytes);
}

/** Called when a task is forgotten. */
export function forgetLoad(state: FoldState, { proposer, size }: Task): void {
  const left = (state.load.get(proposer) ?? 0) - size;
  if (left > 0) state.load.set(proposer, left);
  else state.load.delete(proposer);
}
