// SPDX-License-Identifier: Apache-2.0
// What an event carries that is worth looking at. A proof, a charter or a list of receipts costs
// every reader milliseconds, where anything else costs a signature, and anybody can sign one. So a
// proof is checked for the forming epoch and the seat that signs alone, and each ends what it is
// wrong in: at most one a seat and attempt. Receipts are checked for the open run of the node that
// signs, a charter where its signer could bring it into force. What is not looked at here is void
// by the fold's own rules. spec/events.md, "Order of checks".
import { equal, toHex } from '@cloister/core';
import type { AdmittedEvent, AnyEvent } from '../events/event.ts';
import { underGenesis } from './charter.ts';
import { dealerJoin, holds, isSame } from './epoch-ends.ts';
import { joinBySigner, memberByIdentity } from './lookup.ts';
import type { Epoch, FoldState } from './state.ts';

/** Whether the fold would get as far as what this event carries. */
export function worthProving(state: FoldState, event: AnyEvent): boolean {
  if (event.kind === 'charter') return foundsNow(state, event);
  if (state.charter === null || !underGenesis(state, event.genesis)) return false;
  if (state.seen.has(event.key) || state.voids.has(event.key)) return false;
  switch (event.kind) {
    case 'amend':
      return memberByIdentity(state, event.signer) !== undefined;
    case 'usage':
      return recordsNow(state, event);
    case 'reveal':
      return dealsNow(state, event);
    case 'complaint':
      return complainsNow(state, event);
    default:
      return false;
  }
}

function foundsNow(state: FoldState, { founds }: AdmittedEvent<'charter'>): boolean {
  return state.charter === null && founds !== undefined && equal(founds, state.genesis);
}

function recordsNow(state: FoldState, event: AdmittedEvent<'usage'>): boolean {
  const run = state.runs.get(toHex(event.body.run));
  return run?.status === 'joined' && run.join === joinBySigner(state, event.signer)?.key;
}

/** The attempt that an event is about, while it goes on. */
function formingOf(state: FoldState, of: { epoch: Uint8Array }): Epoch | undefined {
  const epoch = state.epochs.get(toHex(of.epoch));
  return epoch?.status === 'forming' ? epoch : undefined;
}

function dealsNow(state: FoldState, event: AdmittedEvent<'reveal'>): boolean {
  const epoch = formingOf(state, event.body);
  if (epoch === undefined) return false;
  const { seat } = event.body;
  return (
    epoch.phase === 'reveal' &&
    !epoch.reveals.has(seat) &&
    event.body.deals.length === epoch.joins.length &&
    isSame(epoch.commits.get(seat), event.commitHash) &&
    holds(state, dealerJoin(state, epoch, seat), event.signer)
  );
}

function complainsNow(state: FoldState, event: AdmittedEvent<'complaint'>): boolean {
  const epoch = formingOf(state, event.body);
  if (epoch === undefined) return false;
  const { seat, against } = event.body;
  return epoch.reveals.has(against) && holds(state, epoch.joins[seat - 1], event.signer);
}
