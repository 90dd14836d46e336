// SPDX-License-Identifier: Apache-2.0
// The end of a ledger: as many members as sign heads say so, naming the genesis of the one that
// goes on or none. After that nothing counts any more and nothing opens. They could stop it anyway,
// by signing no head; said on the record, everybody knows where it ends and where it goes on.
// spec/events.md, "close".
import { toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import { charterOf, memberByIdentity } from './lookup.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Where there is no ledger that goes on. */
const NOWHERE = 'none';

export function foldClose(state: FoldState, event: AdmittedEvent<'close'>): Verdict {
  const member = memberByIdentity(state, event.signer);
  if (member === undefined) return voided('not-a-member');
  const { next } = event.body;
  const where = next === undefined ? NOWHERE : toHex(next);
  if (state.closings.get(member.id) === where) return voided('close-repeated', member.id);
  state.closings.set(member.id, where);
  const { members, witnesses } = charterOf(state);
  const alike = members.filter(({ id }) => state.closings.get(id) === where).length;
  if (alike >= witnesses.quorum) state.closed = { seq: state.seq, next: where };
  return undefined;
}

/** Void once the ledger is closed, whatever the event. */
export function judgeClosed({ closed }: FoldState): Verdict {
  return closed === null ? undefined : voided('ledger-ended', `at ${closed.seq}, ${closed.next}`);
}
