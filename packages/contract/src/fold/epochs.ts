// SPDX-License-Identifier: Apache-2.0
// Key epochs as they form: all seats publish a key to receive deals under and the dealers commit by
// hash, then reveal with their sealed deals, and all seats acknowledge one transcript and group
// key. When the last acknowledgement is here and all are equal the epoch is active and the one
// before it superseded. One epoch forms at a time (proposals.ts). In a reshare (`from`) the dealers
// are the seats of the active epoch whose joins are named again, at least t of them, and the group
// key must stay. spec/events.md, "epoch".
import { equal, toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import {
  dealerJoin,
  dealerNumber,
  endEpoch,
  forgetDealings,
  holds,
  isSame,
  noneForms,
} from './epoch-ends.ts';
import { activeEpochOf, charterOf } from './lookup.ts';
import type { Epoch, EpochPhase, FoldState } from './state.ts';
import { type Verdict, type Voided, voided } from './void-codes.ts';

function phaseDeadline(state: FoldState): number {
  return state.clock + charterOf(state).deadlines.epochPhase;
}

/** The forming epoch in the wanted phase, if `seat` of it is the signer's. */
function formingSeat(
  state: FoldState,
  event: { signer: Uint8Array; body: { epoch: Uint8Array; seat: number } },
  phase: EpochPhase,
): { key: string; epoch: Epoch } | Voided {
  const key = toHex(event.body.epoch);
  const epoch = state.epochs.get(key);
  if (epoch === undefined) return voided('epoch-unknown', key.slice(0, 16));
  const { seat } = event.body;
  const holder = phase === 'reveal' ? dealerJoin(state, epoch, seat) : epoch.joins[seat - 1];
  if (!holds(state, holder, event.signer)) {
    return voided('seat-not-signer', `seat ${seat}`);
  }
  if (epoch.status !== 'forming') return voided('epoch-not-forming', epoch.status);
  if (epoch.phase !== phase) return voided('epoch-phase', `got ${phase} in phase ${epoch.phase}`);
  if (phase === 'reveal' && !epoch.dealers.includes(seat)) {
    return voided('seat-does-not-deal', `seat ${seat}`);
  }
  return { key, epoch };
}

export function foldCommit(state: FoldState, event: AdmittedEvent<'commit'>): Verdict {
  const at = formingSeat(state, event, 'commit');
  if ('sentence' in at) return at;
  const { epoch } = at;
  const { seat, receive, hash } = event.body;
  if (epoch.receiving.has(seat)) return voided('seat-already-done', `seat ${seat} has committed`);
  const dealer = dealerNumber(state, epoch, seat);
  if ((dealer === undefined) !== (hash === undefined)) return voided('commit-hash', `seat ${seat}`);
  // Compared with the seat's own key alone: another's, named first, would shut that one out.
  const own = state.joins.get(epoch.joins[seat - 1] ?? '')?.body.hpke;
  if (own !== undefined && equal(own, receive)) return voided('commit-key-reused', `seat ${seat}`);
  epoch.receiving.set(seat, receive);
  if (dealer !== undefined && hash !== undefined) epoch.commits.set(dealer, hash);
  if (epoch.receiving.size === epoch.joins.length) enter(state, epoch, 'reveal');
  return undefined;
}

export function foldReveal(state: FoldState, event: AdmittedEvent<'reveal'>): Verdict {
  const at = formingSeat(state, event, 'reveal');
  if ('sentence' in at) return at;
  const { epoch } = at;
  const { seat, reveal } = event.body;
  if (epoch.reveals.has(seat)) return voided('seat-already-done', `seat ${seat} has revealed`);
  if (!isSame(epoch.commits.get(seat), event.commitHash)) {
    return voided('reveal-not-committed', `seat ${seat}`);
  }
  const dealt = event.body.deals.length;
  if (dealt !== epoch.joins.length) {
    return voided('reveal-deals-count', `got ${dealt}, wanted ${epoch.joins.length}`);
  }
  if (event.revealed === undefined) return endByReveal(state, epoch, event);
  const { commitments, previous, deals } = event.revealed;
  if ((previous === null ? null : toHex(previous)) !== epoch.from) {
    return voided('reveal-other-origin', `seat ${seat}`);
  }
  if (commitments !== epoch.threshold) {
    return voided('reveal-degree', `got ${commitments}, wanted ${epoch.threshold}`);
  }
  epoch.reveals.set(seat, { event: event.key, reveal, deals: [...deals] });
  if (epoch.reveals.size === epoch.dealers.length) enter(state, epoch, 'ack');
  return undefined;
}

/** What a dealer committed to and signed proves nothing: it is at fault, and there is no other. */
function endByReveal(state: FoldState, epoch: Epoch, event: AdmittedEvent<'reveal'>): Verdict {
  const { seat } = event.body;
  const faults = [dealerJoin(state, epoch, seat) ?? ''];
  const wanted = 'a proof of knowledge of the constant term';
  const got = `dealer ${seat}: ${event.unproved ?? 'nothing'}`;
  endEpoch(state, { code: 'reveal-unproved', faults, wanted, got });
  return undefined;
}

export function foldAck(state: FoldState, event: AdmittedEvent<'ack'>): Verdict {
  const at = formingSeat(state, event, 'ack');
  if ('sentence' in at) return at;
  const { key, epoch } = at;
  const { seat, transcript, groupKey } = event.body;
  if (epoch.acks.has(seat)) return voided('seat-already-done', `seat ${seat} has acknowledged`);
  const before = epoch.from === null ? null : state.epochs.get(epoch.from)?.groupKey;
  if (before != null && !equal(before, groupKey)) return voided('ack-group-key', `seat ${seat}`);
  epoch.acks.set(seat, { transcript, groupKey });
  if (epoch.acks.size < epoch.joins.length) return undefined;
  const doubted = dissenters(epoch);
  if (doubted.length === 0) {
    activate(state, key, epoch, { transcript, groupKey });
  } else {
    const said = { wanted: 'one transcript', got: 'several' };
    endEpoch(state, { code: 'acks-differ', faults: [], doubted, ...said });
  }
  return undefined;
}

/** Joins that acknowledged something else than most did; all, where no more than others did. */
function dissenters(epoch: Epoch): string[] {
  const said = new Map<string, string[]>();
  for (const [seat, { transcript, groupKey }] of epoch.acks) {
    const what = `${toHex(transcript)}/${toHex(groupKey)}`;
    said.set(what, [...(said.get(what) ?? []), epoch.joins[seat - 1] as string]);
  }
  const [most = [], next = []] = [...said.values()].sort((a, b) => b.length - a.length);
  return epoch.joins.filter((join) => most.length === next.length || !most.includes(join));
}

function enter(state: FoldState, epoch: Epoch, phase: EpochPhase): void {
  epoch.phase = phase;
  epoch.deadline = phaseDeadline(state);
}

function activate(
  state: FoldState,
  key: string,
  epoch: Epoch,
  agreed: { transcript: Uint8Array; groupKey: Uint8Array },
): void {
  const before = activeEpochOf(state)?.epoch;
  if (before !== undefined) {
    before.status = 'superseded';
    before.supersededSeq = state.seq;
    before.supersededAt = state.clock;
  }
  // A new key begins a lineage of its own; that of a reshare is computed again from its first.
  if (epoch.from === null) {
    for (const old of state.epochs.values()) if (old !== epoch) forgetDealings(old);
    state.keyOwners = [];
  }
  epoch.status = 'active';
  epoch.activeSeq = state.seq;
  epoch.groupKey = agreed.groupKey;
  epoch.transcript = agreed.transcript;
  state.activeEpoch = key;
  noneForms(state);
}
