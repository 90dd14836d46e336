// SPDX-License-Identifier: Apache-2.0
// Which proofs are worth checking. A reveal or a complaint costs every reader milliseconds, where
// anything else costs a signature, and anybody can sign one. So proofs are checked for the forming
// epoch and the seat that signs alone, after the signature, and each ends what it is wrong in: at
// most one a seat and attempt. What is not worth checking is void by the fold's own rules.
// spec/events.md, "Order of checks".
import { equal, toHex } from '@cloister/core';
import type { AdmittedEvent, AnyEvent } from '../events/event.ts';
import { underGenesis } from './charter.ts';
import { dealerJoin, holds } from './epoch-ends.ts';
import type { Epoch, FoldState } from './state.ts';

/** Whether the fold would look at what this reveal or complaint proves. */
export function worthProving(state: FoldState, event: AnyEvent): boolean {
  if (state.charter === null || !underGenesis(state, event.genesis)) return false;
  if (state.seen.has(event.key)) return false;
  if (event.kind !== 'reveal' && event.kind !== 'complaint') return false;
  const epoch = state.epochs.get(toHex(event.body.epoch));
  if (epoch?.status !== 'forming') return false;
  return event.kind === 'reveal'
    ? dealsNow(state, epoch, event)
    : complainsNow(state, epoch, event);
}

function dealsNow(state: FoldState, epoch: Epoch, event: AdmittedEvent<'reveal'>): boolean {
  const { seat } = event.body;
  const committed = epoch.commits.get(seat);
  return (
    epoch.phase === 'reveal' &&
    !epoch.reveals.has(seat) &&
    event.body.deals.length === epoch.joins.length &&
    committed !== undefined &&
    event.commitHash !== undefined &&
    equal(committed, event.commitHash) &&
    holds(state, dealerJoin(state, epoch, seat) ?? '', event.signer)
  );
}

function complainsNow(state: FoldState, epoch: Epoch, event: AdmittedEvent<'complaint'>): boolean {
  const { seat, against } = event.body;
  return epoch.reveals.has(against) && holds(state, epoch.joins[seat - 1] ?? '', event.signer);
}
