// SPDX-License-Identifier: Apache-2.0
// What a member has the state keep: the events of its datasets, of its open tasks, and of their
// runs, by their bytes. It has a bound, or one member could fill the memory of every reader, and
// with the keepers' memory the key would go. spec/events.md, "Bounds".
import type { FoldState, Task } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Bytes of events; objects of them take a few times as much. */
export const LOAD_MAX = 32 * 1_048_576;

/** Takes so many bytes more for a member (by id), or says why not: the last thing to be judged. */
export function takeLoad(state: FoldState, member: string, bytes: number): Verdict {
  const before = state.load.get(member) ?? 0;
  if (before + bytes > LOAD_MAX) {
    const got = `${member} has ${before} bytes, ${bytes} more are too many of ${LOAD_MAX}`;
    return voided('member-load', got);
  }
  state.load.set(member, before + bytes);
  return undefined;
}

/** As `takeLoad`, of what is kept of a task: its proposer's until the task is forgotten. */
export function takeForTask(state: FoldState, task: Task, bytes: number): Verdict {
  const heavy = takeLoad(state, task.proposer, bytes);
  if (heavy === undefined) task.size += bytes;
  return heavy;
}

/** Likewise of a usage record, which is never void for its size: it ends a run that was let in. */
export function addUsage(state: FoldState, task: Task, bytes: number): void {
  state.load.set(task.proposer, (state.load.get(task.proposer) ?? 0) + bytes);
  task.size += bytes;
}

/** Called when a task is forgotten. */
export function forgetLoad(state: FoldState, { proposer, size }: Task): void {
  const left = (state.load.get(proposer) ?? 0) - size;
  if (left > 0) state.load.set(proposer, left);
  else state.load.delete(proposer);
}
