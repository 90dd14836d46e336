// SPDX-License-Identifier: Apache-2.0
// When a state next says something else because time has passed: whoever keeps time on the ledger
// has to tick then, and need not before. docs/design/ticks-when-needed.md.
import { charterOf } from './lookup.ts';
import type { FoldState } from './state.ts';

/**
 * The soonest time after the clock, in ledger milliseconds, at which a phase of a forming epoch or
 * a run's time is over, a result's release is overdue, or a grant begins or ends; undefined: none.
 */
export function nextEdge(state: FoldState): number | undefined {
  if (state.charter === null) return undefined;
  let next: number | undefined;
  for (const at of edges(state)) {
    if (at > state.clock && (next === undefined || at < next)) next = at;
  }
  return next;
}

function* edges(state: FoldState): Generator<number> {
  const forming = state.epochs.get(state.formingEpoch ?? '');
  if (forming !== undefined) yield forming.deadline + 1;
  // Soonest first; what the clock merely forgets is nobody's hurry.
  const run = state.due.find(({ what, key }) => {
    return what === 'run' && state.runs.get(key)?.status === 'joined';
  });
  if (run !== undefined) yield run.at;
  const { release } = charterOf(state).deadlines;
  for (const { status, usage } of state.runs.values()) {
    if (status === 'recorded' && usage !== null) yield usage.at + release + 1;
  }
  for (const { approvals } of state.tasks.values()) {
    for (const { from, until } of approvals.values()) {
      yield from;
      yield until;
    }
  }
}
