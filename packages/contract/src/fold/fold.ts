// SPDX-License-Identifier: Apache-2.0
// The fold: one event after another, in the ledger's order, changes the state or is void with a
// code. Synchronous, total and free of cryptography: whatever `admit` lets through gets an outcome,
// nothing is thrown, and two parties with the same events have the same state. It changes the state
// it is given; a void event changes nothing but the position and, for statements that are judged
// once, the memory of its id. Rights are judged at the event's own position. spec/events.md.
import type { CryptoPort } from '@cloister/core';
import { CodedError } from '@cloister/core';
import { contractError } from '../errors.ts';
import { admit } from '../events/admit.ts';
import type { EventKind } from '../events/bodies.ts';
import type { AdmittedEvent, AnyEvent } from '../events/event.ts';
import { foldAmend, foldSign } from './amendments.ts';
import { FOLD_VERSION, foldCharter, foldUnknown, underGenesis } from './charter.ts';
import { foldClose, judgeClosed } from './closing.ts';
import { foldCollateral } from './collateral.ts';
import { foldDataset } from './datasets.ts';
import { foldComplaint, foldEpochAbort } from './epoch-ends.ts';
import { foldAck, foldCommit, foldReveal } from './epochs.ts';
import { foldApprove, foldDecline } from './grants.ts';
import { foldJoin } from './joins.ts';
import { worthProving } from './proofs.ts';
import { foldConsent, foldEpoch } from './proposals.ts';
import { foldRefusal, foldReleased, foldRunFailed, foldUsage } from './runs.ts';
import type { FoldState } from './state.ts';
import { judgeLanding, LANDING_MAX, STATEMENTS } from './statements.ts';
import { foldTask } from './tasks.ts';
import { foldTick } from './time.ts';
import { type Verdict, type VoidCode, voided } from './void-codes.ts';
import { foldWithdraw } from './withdrawals.ts';

/** What became of the entry at position `seq`. */
export type Outcome =
  | { readonly seq: number; readonly status: 'accepted' }
  | {
      readonly seq: number;
      readonly status: 'void';
      readonly code: VoidCode;
      readonly sentence: string;
    };

type Handlers = { [K in EventKind]: (state: FoldState, event: AdmittedEvent<K>) => Verdict };

const HANDLERS: Handlers = {
  charter: foldCharter,
  amend: foldAmend,
  sign: foldSign,
  tick: foldTick,
  collateral: foldCollateral,
  join: foldJoin,
  epoch: foldEpoch,
  consent: foldConsent,
  commit: foldCommit,
  reveal: foldReveal,
  ack: foldAck,
  complaint: foldComplaint,
  'epoch-abort': foldEpochAbort,
  dataset: foldDataset,
  withdraw: foldWithdraw,
  task: foldTask,
  approve: foldApprove,
  decline: foldDecline,
  refusal: foldRefusal,
  usage: foldUsage,
  released: foldReleased,
  'run-failed': foldRunFailed,
  close: foldClose,
};

/** Verdicts on who signs and where: they burn no id, so strangers cannot fill the memory. */
const NOT_A_STATEMENT: ReadonlySet<VoidCode> = new Set([
  'not-founded',
  'ledger-ended',
  'wrong-genesis',
  'not-a-member',
  'duplicate',
  'statement-late',
  'statement-window',
  'not-a-node',
  'join-operator-unknown',
  'join-operator-key',
  'sign-unknown',
  'sign-not-a-signer',
]);

/** Folds one admitted event into `state`, which it changes, and says what became of it. */
export function fold(state: FoldState, event: AnyEvent): Outcome {
  begin(state);
  const verdict = judge(state, event);
  remember(state, event, verdict);
  return outcome(state, verdict);
}

/**
 * Ticks, charters and collateral tell repeats by their content. A statement that is void stays
 * void: otherwise one that missed its moment (a policy sealed for a key that was not active yet, a
 * join that came before its approval) could be brought back by anybody. After `LANDING_MAX` entries
 * it is late whatever it says, so its id is forgotten; what is no statement, its epoch or run
 * tells.
 */
function remember(state: FoldState, { kind, key }: AnyEvent, verdict: Verdict): void {
  const { seq, recent } = state;
  if (kind === 'tick' || kind === 'charter' || kind === 'collateral') return;
  const stays = STATEMENTS.has(kind) && !NOT_A_STATEMENT.has(verdict?.code ?? 'duplicate');
  if (verdict !== undefined && !stays) return;
  (verdict === undefined ? state.seen : state.voids).set(key, seq);
  recent.set(seq, key);
}

/** Called at every entry, whatever it is: the id that could not land any more goes. */
function begin(state: FoldState): void {
  const { seq, recent } = state;
  state.forgotten = [];
  const old = recent.get(seq - LANDING_MAX);
  if (old === undefined) return;
  for (const ids of [state.seen, state.voids]) ids.delete(old);
  recent.delete(seq - LANDING_MAX);
}

/** Takes the position of an entry whose bytes are no event; `reason` is the error's code. */
export function foldInadmissible(state: FoldState, reason: string): Outcome {
  begin(state);
  return outcome(state, voided('inadmissible', reason));
}

/** How bytes become an event: `admit`, or one that shares its answers among several readers. */
export type Admission = typeof admit;

/**
 * Admits and folds an entry as the ledger gives it: whatever the bytes, there is an outcome.
 * @throws CodedError `fold-version-unknown`: nothing is guessed by rules that are not known here
 */
export async function foldEntry(
  state: FoldState,
  bytes: Uint8Array,
  crypto: CryptoPort,
  admission: Admission = admit,
): Promise<{ outcome: Outcome; event?: AnyEvent }> {
  if (foldUnknown(state)) {
    const got = `the charter asks for version ${state.charter?.fold}, here is ${FOLD_VERSION}`;
    throw contractError('fold-version-unknown', `${got}: run a newer release`);
  }
  let event: AnyEvent;
  try {
    event = await admission(bytes, crypto, { proves: (one) => worthProving(state, one) });
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { outcome: foldInadmissible(state, error.code) };
  }
  return { outcome: fold(state, event), event };
}

function judge(state: FoldState, event: AnyEvent): Verdict {
  if (event.kind !== 'charter') {
    if (state.charter === null) return voided('not-founded', `got a ${event.kind}`);
    if (!underGenesis(state, event.genesis)) return voided('wrong-genesis');
  }
  const closed = judgeClosed(state);
  if (closed !== undefined) return closed;
  if (state.seen.has(event.key) || state.voids.has(event.key)) return voided('duplicate');
  const late = judgeLanding(state, event);
  if (late !== undefined) return late;
  const handler = HANDLERS[event.kind] as (state: FoldState, event: AnyEvent) => Verdict;
  return handler(state, event);
}

function outcome(state: FoldState, verdict: Verdict): Outcome {
  const seq = state.seq;
  state.seq += 1;
  if (verdict === undefined) return { seq, status: 'accepted' };
  return { seq, status: 'void', code: verdict.code, sentence: verdict.sentence };
}
