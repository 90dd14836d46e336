// SPDX-License-Identifier: Apache-2.0
// The state of a task, derived from the fold's tables and its clock: never stored, so it cannot
// disagree with them. With several runs it is the newest run's. spec/events.md, "Task states".
import { judgeInput } from './grants.ts';
import { versionKey } from './lookup.ts';
import type { FoldState, Run, Task } from './state.ts';

export type TaskState =
  | 'proposed'
  | 'approved'
  | 'joined'
  | 'recorded'
  | 'released'
  | 'unreleased'
  | 'failed'
  | 'expired';

/** Undefined when no task of this id was accepted. */
export function taskState(state: FoldState, taskKey: string): TaskState | undefined {
  const task = state.tasks.get(taskKey);
  if (task === undefined || state.charter === null) return undefined;
  const newest = state.runs.get(task.runs.at(-1) ?? '');
  return newest === undefined ? beforeRuns(state, task) : runState(state, newest);
}

/** One run's state. `unreleased`: its usage is recorded and the release deadline has passed. */
export function runState(state: FoldState, run: Run): TaskState {
  const release = state.charter?.deadlines.release ?? 0;
  if (run.status === 'recorded') {
    return state.clock > (run.usage?.at ?? run.at) + release ? 'unreleased' : 'recorded';
  }
  return run.status;
}

function beforeRuns(state: FoldState, task: Task): TaskState {
  const verdicts = task.body.inputs.map((_, at) => judgeInput(state, task, at));
  if (verdicts.every((verdict) => verdict === undefined)) return 'approved';
  return verdicts.some((verdict) => verdict?.code === 'join-expired') ? 'expired' : 'proposed';
}

/**
 * Inputs of a task that are not granted now, each with the code that says why; for a run over
 * these versions where they are told.
 */
export function missingGrants(
  state: FoldState,
  taskKey: string,
  versions?: readonly number[],
): { input: string; code: string }[] {
  const task = state.tasks.get(taskKey);
  if (task === undefined || state.charter === null) return [];
  return task.body.inputs.flatMap((input, at) => {
    const verdict = judgeInput(state, task, at, versions);
    return verdict === undefined ? [] : [{ input: versionKey(input), code: verdict.code }];
  });
}
