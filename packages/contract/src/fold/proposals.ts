// SPDX-License-Identifier: Apache-2.0
// Epochs before they form. A member's `epoch` event is a proposal; others agree to exactly it by
// `consent`. It begins to form once q members want it and, after that, q witnesses have ticked: so
// no member moves the key or takes the one place for forming by itself, and the deadlines begin at
// a fresh clock however seldom witnesses tick. One seat may go to a spare that the charter names
// without anybody's consent, once after an epoch that q members wanted. spec/events.md, "epoch".
import { toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import { activeEpochOf, charterOf, memberByIdentity } from './lookup.ts';
import { judgeEpoch, newestKeepers, secondSeat } from './seats.ts';
import type { Epoch, FoldState, Proposal } from './state.ts';
import { judgeTurn, newestWish } from './statements.ts';
import { type Verdict, voided } from './void-codes.ts';

export function foldEpoch(state: FoldState, event: AdmittedEvent<'epoch'>): Verdict {
  const member = memberByIdentity(state, event.signer);
  if (member === undefined) return voided('not-a-member');
  if (state.clock === 0) return voided('clock-not-set');
  if (state.formingEpoch !== null) return voided('epoch-forming', state.formingEpoch.slice(0, 16));
  const joins = event.body.joins.map(toHex);
  const from = event.body.from === undefined ? null : toHex(event.body.from);
  const dealers = judgeEpoch(state, joins, from);
  if (!Array.isArray(dealers)) return dealers;
  const outOfTurn = judgeTurn(event.body, newestWish(state, 'epoch', member.id));
  if (outOfTurn !== undefined) return outOfTurn;
  state.wishes.set(`epoch/${member.id}`, event.key);
  for (const [key, known] of state.proposals) {
    if (known.member === member.id || isLate(state, known)) state.proposals.delete(key);
  }
  const proposal: Proposal = {
    member: member.id,
    joins,
    from,
    within: event.body.within,
    consents: new Set([member.id]),
    agreed: null,
  };
  state.proposals.set(event.key, proposal);
  agree(state, proposal);
  return undefined;
}

export function foldConsent(state: FoldState, event: AdmittedEvent<'consent'>): Verdict {
  const member = memberByIdentity(state, event.signer);
  if (member === undefined) return voided('not-a-member');
  const key = toHex(event.body.epoch);
  const proposal = state.proposals.get(key);
  if (proposal === undefined || isLate(state, proposal)) {
    return voided('consent-unknown', key.slice(0, 16));
  }
  if (proposal.consents.has(member.id)) return voided('consent-repeated', member.id);
  proposal.consents.add(member.id);
  agree(state, proposal);
  return undefined;
}

/** Notes at which position a proposal had what it needs of members. */
function agree(state: FoldState, proposal: Proposal): void {
  if (proposal.agreed === null && mayForm(state, proposal)) proposal.agreed = state.seq;
}

/** Whether enough members want it, or it is a swap that the charter has approved beforehand. */
function mayForm(state: FoldState, proposal: Proposal): boolean {
  return isWanted(state, proposal) || isSwap(state, proposal);
}

function isWanted(state: FoldState, { consents }: Proposal): boolean {
  const { members, witnesses } = charterOf(state);
  return members.filter(({ id }) => consents.has(id)).length >= witnesses.quorum;
}

/** One seat of the active epoch, and no other, goes to a spare's keeper. */
function isSwap(state: FoldState, { joins, from }: Proposal): boolean {
  const active = activeEpochOf(state);
  if (active === undefined || from !== active.key || !active.epoch.maySwap) return false;
  const changed = joins.filter((join, i) => join !== active.epoch.joins[i]);
  if (changed.length !== 1 || joins.length !== active.epoch.joins.length) return false;
  const operator = state.joins.get(changed[0] as string)?.body.operator ?? '';
  if (!charterOf(state).keepers.spares.includes(operator)) return false;
  return secondSeat(state, joins, newestKeepers(state)) === undefined;
}

/** The proposal would be a late statement at this position. */
function isLate(state: FoldState, { within }: Proposal): boolean {
  return state.seq + 1 > within;
}

/** How many witnesses have ticked since the proposal had what it needs of members. */
function freshTicks(state: FoldState, agreed: number): number {
  const { members } = charterOf(state);
  return members.filter(({ id }) => (state.ticks.get(id)?.size ?? 0) > agreed).length;
}

/**
 * Whether a proposal waits for this member's witness to tick, and nothing else of members.
 * `member` is its id.
 */
export function awaitsTick(state: FoldState, member: string): boolean {
  const size = state.ticks.get(member)?.size ?? 0;
  return [...state.proposals.values()].some((proposal) => {
    return proposal.agreed !== null && !isLate(state, proposal) && size <= proposal.agreed;
  });
}

/** Called when a witness has ticked: the proposal that was agreed to first begins to form. */
export function formAgreed(state: FoldState): void {
  if (state.formingEpoch !== null) return;
  const { quorum } = charterOf(state).witnesses;
  const ready = [...state.proposals].filter(([, proposal]) => {
    const { agreed } = proposal;
    return agreed !== null && !isLate(state, proposal) && freshTicks(state, agreed) >= quorum;
  });
  ready.sort(([one, a], [two, b]) => {
    const sooner = (a.agreed as number) - (b.agreed as number);
    // What waited for an attempt to end has one position with all that did.
    return sooner === 0 ? Number(one > two) - Number(one < two) : sooner;
  });
  for (const [key, proposal] of ready) if (form(state, key, proposal)) return;
}

/** Begins the commit phase, if the proposal still stands under the charter in force. */
function form(state: FoldState, key: string, proposal: Proposal): boolean {
  const { joins, from } = proposal;
  const dealers = judgeEpoch(state, joins, from);
  if (!mayForm(state, proposal) || !Array.isArray(dealers)) {
    state.proposals.delete(key);
    return false;
  }
  const wanted = isWanted(state, proposal);
  const active = activeEpochOf(state)?.epoch;
  if (!wanted && active !== undefined) active.maySwap = false;
  const maySwap = wanted && !keepsSwap(state, active, proposal);
  state.epochs.set(key, newEpoch(state, { joins, from, dealers, maySwap }));
  state.formingEpoch = key;
  // A wish for another key outlives fresh shares of the running one, which gateways agree to.
  for (const [other, { from: origin }] of state.proposals) {
    if (other === key || from === null || origin !== null) state.proposals.delete(other);
  }
  return true;
}

/**
 * Whether it leaves every seat with the operator that a swap led to. Gateways agree unasked to
 * fresh shares for them, to their keepers that came again, and to another key where too few hold
 * this one: that is no word of anybody's about who holds the key.
 */
function keepsSwap(state: FoldState, active: Epoch | undefined, { joins }: Proposal): boolean {
  if (active === undefined || active.maySwap) return false;
  const operators = (keys: readonly string[]) =>
    keys.map((key) => state.joins.get(key)?.body.operator).sort();
  return operators(joins).join() === operators(active.joins).join();
}

function newEpoch(
  state: FoldState,
  of: Pick<Epoch, 'joins' | 'from' | 'dealers' | 'maySwap'>,
): Epoch {
  const { keepers, deadlines } = charterOf(state);
  return {
    status: 'forming',
    seq: state.seq,
    phase: 'commit',
    ...of,
    threshold: keepers.threshold,
    deadline: state.clock + deadlines.epochPhase,
    commits: new Map(),
    receiving: new Map(),
    reveals: new Map(),
    acks: new Map(),
    groupKey: null,
    transcript: null,
    activeSeq: null,
    supersededSeq: null,
    supersededAt: null,
    end: null,
  };
}
