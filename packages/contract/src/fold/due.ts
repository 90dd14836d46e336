// SPDX-License-Identifier: Apache-2.0
// What the clock ends. Whoever opens something with a deadline puts it here, soonest first; when
// the clock has moved, what is due ends, each thing once. So a tick costs what it ends and nothing
// for what goes on. A run that recorded nothing in its time has failed. A task rests once nothing
// about it can land any more, and is forgotten with its runs and the joins of their nodes: whoever
// wants them for bills and audits keeps an archive (archive.ts). spec/events.md, "Lifetimes".
import { toHex } from '@cloister/core';
import { forgetLoad } from './load.ts';
import { charterOf } from './lookup.ts';
import { endRun } from './runs.ts';
import type { Due, FoldState, Join, Run } from './state.ts';

/** Puts something in its place: by time, then by what it is and its key. */
export function schedule(state: FoldState, due: Due): void {
  let [low, high] = [0, state.due.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(state.due[middle] as Due, due)) low = middle + 1;
    else high = middle;
  }
  state.due.splice(low, 0, due);
}

/** When the last run of a task that takes joins until `until` has been recorded and released. */
export function restsAt(state: FoldState, until: number): number {
  const { run, release } = charterOf(state).deadlines;
  return until + run + release + 1;
}

/** Called when the clock has moved: everything that is due ends. */
export function endDue(state: FoldState): void {
  const still = state.due.findIndex(({ at }) => at > state.clock);
  const due = state.due.splice(0, still === -1 ? state.due.length : still);
  for (const { what, key } of due) {
    if (what === 'run') {
      endRun(state, key, 'run-deadline');
    } else {
      rest(state, key);
    }
  }
}

/** Forgets a task, unless deadlines have grown since it was proposed. */
function rest(state: FoldState, key: string): void {
  const task = state.tasks.get(key);
  if (task === undefined) return;
  const runs = task.runs.flatMap((id): [string, Run][] => {
    const run = state.runs.get(id);
    return run === undefined ? [] : [[id, run]];
  });
  const { release } = charterOf(state).deadlines;
  const busy = runs.some(([, { status, usage }]) => {
    return status === 'joined' || (status === 'recorded' && state.clock <= at(usage) + release);
  });
  if (busy) {
    schedule(state, { at: restsAt(state, state.clock), what: 'task', key });
    return;
  }
  const joins = takeJoins(
    state,
    runs.flatMap(([, run]) => [...run.roster.values()]),
  );
  for (const [id] of runs) state.runs.delete(id);
  state.tasks.delete(key);
  forgetLoad(state, task);
  state.forgotten.push({ task: [key, task], runs, joins });
}

/** Takes joins out of the state, and their keys with them. */
export function takeJoins(state: FoldState, keys: readonly string[]): [string, Join][] {
  return keys.map((key): [string, Join] => {
    const join = state.joins.get(key) as Join;
    state.nodeKeys.delete(toHex(join.signer));
    state.joins.delete(key);
    return [key, join];
  });
}

function at(usage: Run['usage']): number {
  return usage?.at ?? 0;
}

function before(a: Due, b: Due): boolean {
  if (a.at !== b.at) return a.at < b.at;
  return a.what === b.what ? a.key < b.key : a.what < b.what;
}
