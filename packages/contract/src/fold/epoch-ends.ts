// SPDX-License-Identifier: Apache-2.0
// How an attempt at a key ends without one: a keeper's `epoch-abort`, a judged complaint, or a
// phase's deadline. Seats that are proved to be at fault (an upheld complaint's dealer, an
// unfounded one's author) or silent past the deadline are excluded: their joins take no seat again.
// An abort is a keeper's word and excludes nobody; so is an acknowledgement of something else. They
// are remembered: others need not wait for such an operator (seats.ts). The running epoch is never
// touched.
// spec/events.md.
import { equal, toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import { activeEpochOf } from './lookup.ts';
import type { Epoch, EpochEnd, FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/**
 * Ends the forming epoch; the joins in `faults` are excluded, but for seats of the running epoch:
 * by attempts that fail, whoever starts one could make its key impossible to deal again.
 */
export function endEpoch(
  state: FoldState,
  { doubted = [], ...end }: Omit<EpochEnd, 'doubted'> & Partial<EpochEnd>,
): void {
  const epoch = state.formingEpoch === null ? undefined : state.epochs.get(state.formingEpoch);
  if (epoch === undefined) return;
  epoch.status = 'ended';
  epoch.end = { ...end, doubted };
  const seated = activeEpochOf(state)?.epoch.joins ?? [];
  for (const key of end.faults) {
    const join = state.joins.get(key);
    if (join !== undefined && !seated.includes(key)) join.excluded = end.code;
  }
  forgetDealings(epoch);
  noneForms(state);
}

/**
 * Another epoch may form now. What members agreed to meanwhile waits for fresh ticks anew: the ones
 * from before say nothing about the clock that its deadlines would begin from.
 */
export function noneForms(state: FoldState): void {
  state.formingEpoch = null;
  for (const proposal of state.proposals.values()) {
    if (proposal.agreed !== null) proposal.agreed = state.seq;
  }
}

/** Keeps who sat where and how it came out: nothing is dealt from it or computed over it again. */
export function forgetDealings(epoch: Epoch): void {
  epoch.commits = new Map();
  epoch.receiving = new Map();
  epoch.reveals = new Map();
  epoch.acks = new Map();
}

/** Called when the clock has moved: an overdue phase ends the attempt and excludes the silent. */
export function endOverdueEpoch(state: FoldState): void {
  const epoch = state.formingEpoch === null ? undefined : state.epochs.get(state.formingEpoch);
  if (epoch === undefined || state.clock <= epoch.deadline) return;
  const faults = silentJoins(state, epoch);
  const wanted = `the ${epoch.phase} of every seat by ${epoch.deadline}`;
  endEpoch(state, { code: 'deadline', faults, wanted, got: `${faults.length} silent` });
}

/** Joins that the epoch's phase still waits for. */
export function silentJoins(state: FoldState, epoch: Epoch): string[] {
  if (epoch.phase === 'ack') return epoch.joins.filter((_, i) => !epoch.acks.has(i + 1));
  if (epoch.phase === 'commit') return epoch.joins.filter((_, i) => !epoch.receiving.has(i + 1));
  const silent = epoch.dealers.filter((seat) => !epoch.reveals.has(seat));
  return dealerJoins(state, epoch, silent);
}

function dealerJoins(state: FoldState, epoch: Epoch, seats: readonly number[]): string[] {
  return seats.flatMap((seat) => dealerJoin(state, epoch, seat) ?? []);
}

/** The join behind a dealer's seat: this epoch's, or in a reshare the seat of the old one. */
export function dealerJoin(state: FoldState, epoch: Epoch, seat: number): string | undefined {
  const of = epoch.from === null ? epoch : state.epochs.get(epoch.from);
  return of?.joins[seat - 1];
}

/** The number under which a seat of this epoch deals: its own, or in a reshare its old one. */
export function dealerNumber(state: FoldState, epoch: Epoch, seat: number): number | undefined {
  const join = epoch.joins[seat - 1];
  return epoch.dealers.find((number) => dealerJoin(state, epoch, number) === join);
}

/** Whether the node of this join, if there is one, signs with this key. */
export function holds(state: FoldState, joinKey: string | undefined, signer: Uint8Array): boolean {
  const join = state.joins.get(joinKey ?? '');
  return join !== undefined && equal(join.signer, signer);
}

export function foldEpochAbort(state: FoldState, event: AdmittedEvent<'epoch-abort'>): Verdict {
  const found = accuser(state, event);
  if ('sentence' in found) return found;
  const { epoch, join } = found;
  const { against, code, wanted, got } = event.body;
  if (against > epoch.joins.length) return voided('abort-seat-unknown', `seat ${against}`);
  const about = `seat ${against}: ${got}`;
  endEpoch(state, { code, faults: [], doubted: [join], wanted, got: about });
  return undefined;
}

export function foldComplaint(state: FoldState, event: AdmittedEvent<'complaint'>): Verdict {
  const found = accuser(state, event);
  if ('sentence' in found) return found;
  const { epoch, join } = found;
  const { seat, against } = event.body;
  const revealed = epoch.reveals.get(against);
  if (revealed === undefined) return voided('complaint-not-dealt', `seat ${against}`);
  const { commit, deal, recipientKey } = event.judged ?? {};
  const same =
    isSame(commit, epoch.commits.get(against)) &&
    isSame(deal, revealed.deals[seat - 1]) &&
    isSame(recipientKey, epoch.receiving.get(seat));
  const upheld = same && event.upheld === true;
  const faults = upheld ? dealerJoins(state, epoch, [against]) : [join];
  const code = upheld ? 'complaint-upheld' : 'complaint-unfounded';
  const wanted = 'a deal that fits the revealed commitments';
  const got = `seat ${seat} against dealer ${against}: ${event.judged?.reason ?? 'no reason'}`;
  endEpoch(state, { code, faults, wanted, got });
  return undefined;
}

/** Whether both are there and equal. */
export function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && equal(a, b);
}

/** The forming epoch, whatever its phase, and the accusing seat's join, if it is the signer's. */
function accuser(
  state: FoldState,
  event: { signer: Uint8Array; body: { epoch: Uint8Array; seat: number } },
): { epoch: Epoch; join: string } | NonNullable<Verdict> {
  const key = toHex(event.body.epoch);
  const epoch = state.epochs.get(key);
  if (epoch === undefined) return voided('epoch-unknown', key.slice(0, 16));
  const join = epoch.joins[event.body.seat - 1] ?? '';
  if (!holds(state, join, event.signer)) {
    return voided('seat-not-signer', `seat ${event.body.seat}`);
  }
  return epoch.status === 'forming' ? { epoch, join } : voided('epoch-not-forming', epoch.status);
}
