// SPDX-License-Identifier: Apache-2.0
// Guards of the fold about charters, off in a node: it folds another event than the ledger has, or
// remembers what the fold forgets. The rest of mutants is mutants.ts's.
import type { AdmittedEvent, Amendment, AnyEvent, EventKind, FoldState } from '@cloister/contract';
import { equal, fromHex, toHex } from '@cloister/core';
import type { Stage } from '../stage.ts';

/** Newer than any charter. */
const ALL_VERSIONS = 1_000;
/** Kinds by which seats get the key. */
const SEATING: ReadonlySet<EventKind> = new Set(['epoch', 'consent', 'tick']);
/** What members have really accepted, while a state has it otherwise. */
const before = new WeakMap<FoldState, ReadonlyMap<string, number>>();
const open = new WeakMap<Stage, Map<string, Amendment>>();

/** The event as a node without one of these guards takes it; it may change the node's state. */
export function withoutGuard(stage: Stage, state: FoldState, event: AnyEvent): AnyEvent {
  const { charter, charterDigest } = state;
  if (charter === null || charterDigest === null) return event;
  if (stage.off('owner-acceptance')) acceptAll(state);
  if (stage.off('seat-acceptance')) acceptSeats(state, event);
  if (event.kind === 'join' && stage.off('named-keys')) return unlessNamed(event, state);
  if (event.kind === 'amend') {
    if (stage.off('amend-before')) return onto(event, { charter, charterDigest });
    if (stage.off('departed-member')) return keeping(event, charter.members);
  }
  if (event.kind === 'sign') {
    if (stage.off('open-amendments')) reopen(stage, state, toHex(event.body.amend));
    if (stage.off('signature-names')) return forNewest(event, state);
  }
  return event;
}

function acceptAll({ accepted, charter }: FoldState): void {
  for (const { id } of charter?.members ?? []) accepted.set(id, ALL_VERSIONS);
}

/** Everybody has accepted everything as long as it is about who holds the key. */
function acceptSeats(state: FoldState, event: AnyEvent): void {
  for (const [id, version] of before.get(state) ?? []) state.accepted.set(id, version);
  before.delete(state);
  if (!SEATING.has(event.kind)) return;
  before.set(state, new Map(state.accepted));
  acceptAll(state);
}

/** A join that names what another has named is nobody's. */
function unlessNamed(event: Join, { joins }: FoldState): Join {
  const { hpke } = event.body;
  const named = [...joins.values()].some((join) => equal(join.body.hpke, hpke));
  return named ? { ...event, body: { ...event.body, operator: 'nobody' } } : event;
}

type Join = AdmittedEvent<'join'>;
type Amend = AdmittedEvent<'amend'>;
type Sign = AdmittedEvent<'sign'>;
type InForce = { [K in 'charter' | 'charterDigest']: NonNullable<FoldState[K]> };

/** Whatever charter it was made over, it is over the one in force. */
function onto(event: Amend, { charter, charterDigest }: InForce): Amend {
  const next = { ...event.body.charter, version: charter.version + 1 };
  return { ...event, body: { ...event.body, before: charterDigest, charter: next } };
}

/** No member leaves. */
function keeping(event: Amend, members: InForce['charter']['members']): Amend {
  const { charter } = event.body;
  const gone = members.filter(({ id }) => charter.members.every((one) => one.id !== id));
  const all = { ...charter, members: [...charter.members, ...gone] };
  return { ...event, body: { ...event.body, charter: all } };
}

/** An amendment that was open once is open. */
function reopen(stage: Stage, { amendments }: FoldState, key: string): void {
  const known = open.get(stage) ?? new Map<string, Amendment>();
  open.set(stage, known);
  for (const [id, one] of amendments) known.set(id, structuredClone(one));
  const was = known.get(key);
  if (was !== undefined && !amendments.has(key)) amendments.set(key, structuredClone(was));
}

/** A signature under an amendment that is not open is one under the newest that is. */
function forNewest(event: Sign, { amendment, amendments }: FoldState): Sign {
  const key = toHex(event.body.amend);
  const [newest] = [...amendments.keys()].slice(-1);
  if (key === amendment || amendments.has(key) || newest === undefined) return event;
  return { ...event, body: { ...event.body, amend: fromHex(newest) } };
}
