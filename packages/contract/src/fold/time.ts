// SPDX-License-Identifier: Apache-2.0
// Time enters by ticks alone. The clock is the second largest newest tick, or the (f+1)-th where
// more than one witness may lie, so no single witness moves it; it never goes back, a tick may.
// When it moves, a forming epoch whose phase is overdue ends. A tick may be what an epoch that
// members want has waited for. spec/events.md, "tick".
import { toHex } from '@cloister/core';
import type { CharterBody } from '../charter/body.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { endDue } from './due.ts';
import { endOverdueEpoch } from './epoch-ends.ts';
import { charterOf, indexOf } from './lookup.ts';
import { formAgreed } from './proposals.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

export function foldTick(state: FoldState, event: AdmittedEvent<'tick'>): Verdict {
  const witness = indexOf(state).witnesses.get(toHex(event.signer));
  if (witness === undefined) return voided('tick-not-a-witness');
  const { time, size } = event.body;
  if (size > state.seq) return voided('tick-head-ahead', `got ${size}, here is ${state.seq}`);
  const newest = state.ticks.get(witness.id);
  if (newest !== undefined && size <= newest.size) {
    return voided('tick-not-newer', `got ${size}, newest is ${newest.size}`);
  }
  state.ticks.set(witness.id, { time, size });
  advanceClock(state);
  formAgreed(state);
  return undefined;
}

/**
 * The time that the witnesses' times `told` bear out: none of those who may lie, and no single one,
 * sets it alone. A lone witness's own time is the time. Undefined where too few have told theirs.
 */
export function agreedTime(charter: CharterBody, told: readonly number[]): number | undefined {
  const rank = charter.members.length === 1 ? 0 : Math.max(charter.witnesses.faulty, 1);
  return [...told].sort((a, b) => b - a)[rank];
}

/** The clock from the current witnesses' newest ticks. */
function advanceClock(state: FoldState): void {
  const charter = charterOf(state);
  const ticks = charter.members.map((m) => state.ticks.get(m.id)?.time ?? 0);
  const clock = agreedTime(charter, ticks) ?? 0;
  if (clock <= state.clock) return;
  state.clock = clock;
  endOverdueEpoch(state);
  endDue(state);
}
