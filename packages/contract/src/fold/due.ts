// SPDX-License-Identifier: Apache-2.0
// What the clock ends. Whoever opens something with a deadline puts it here, soonest first; when
// the clock has moved, what is due ends, each thing once. So a tick costs what it ends and nothing
// for what goes on. spec/events.md, "Lifetimes".
import { endRun } from './runs.ts';
import type { Due, FoldState } from './state.ts';

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

/** Called when the clock has moved: everything that is due ends. */
export function endDue(state: FoldState): void {
  const still = state.due.findIndex(({ at }) => at > state.clock);
  const due = state.due.splice(0, still === -1 ? state.due.length : still);
  for (const { key } of due) endRun(state, key, 'run-deadline');
}

function before(a: Due, b: Due): boolean {
  if (a.at !== b.at) return a.at < b.at;
  return a.what === b.what ? a.key < b.key : a.what < b.what;
}
