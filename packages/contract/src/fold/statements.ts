// SPDX-License-Identifier: Apache-2.0
// The order of a member's statements. Whoever carries them could keep one back and let it land when
// it means something else: an approval after the decline that was meant to end it, an old policy
// over a new one. So a statement says where it stands: the ledger's size that it must land within,
// and the author's newest accepted statement on the same subject. A subject is a task for its
// owners' approvals and declines, and a version of a dataset. spec/events.md, "Statements".
import { fromHex, toHex } from '@cloister/core';
import type { EventBody, EventKind, Said } from '../events/bodies.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { memberByIdentity, versionOf } from './lookup.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** A statement may land among at most this many entries; after them its id can be forgotten. */
export const LANDING_MAX = 65_536;
/** What authors here allow: half a minute on a busy ledger, days on a quiet one. */
export const STATEMENT_LANDING = 16_384;

/**
 * Kinds that say what they must land within, and may be judged once: members' statements, and a
 * node's word that takes a run or ends one.
 */
export const STATEMENTS: ReadonlySet<EventKind> = new Set([
  'amend',
  'sign',
  'epoch',
  'consent',
  'dataset',
  'withdraw',
  'task',
  'approve',
  'decline',
  'join',
  'usage',
  'close',
]);

/** Kinds that follow on their author's newest one on the same subject. */
const IN_TURN: ReadonlySet<EventKind> = new Set([
  'amend',
  'epoch',
  'dataset',
  'withdraw',
  'approve',
  'decline',
]);

/** Whether a statement lands in time. */
export function judgeLanding(state: FoldState, { body }: AdmittedEvent): Verdict {
  if (!('within' in body)) return undefined;
  const size = state.seq + 1;
  if (size > body.within) {
    return voided('statement-late', `the ledger's size is ${size}, wanted at most ${body.within}`);
  }
  const most = state.seq + LANDING_MAX;
  if (body.within > most) {
    return voided('statement-window', `within ${body.within}, wanted at most ${most}`);
  }
  return undefined;
}

/** Whether a statement follows on its author's newest one about its subject. */
export function judgeTurn(body: { previous?: Uint8Array | undefined }, newest?: string): Verdict {
  const previous = body.previous === undefined ? undefined : toHex(body.previous);
  if (previous === newest) return undefined;
  const got = `got ${previous?.slice(0, 16) ?? 'none'}, wanted ${newest?.slice(0, 16) ?? 'none'}`;
  return voided('statement-not-next', got);
}

/** A member's newest accepted proposal of an epoch or a charter. */
export function newestWish(
  state: FoldState,
  kind: 'amend' | 'epoch',
  author: string,
): string | undefined {
  return state.wishes.get(`${kind}/${author}`);
}

/** The author's newest accepted statement about what `said` is about, by event key. */
function newestOf(
  state: FoldState,
  author: string,
  { kind, said }: { kind: EventKind; said: object },
): string | undefined {
  if (kind === 'amend' || kind === 'epoch') return newestWish(state, kind, author);
  if ('dataset' in said) {
    const { dataset, version } = said as EventBody<'withdraw'>;
    const newest = state.datasets.get(toHex(dataset))?.newest ?? 0;
    return versionOf(state, { dataset, version: version ?? newest })?.event;
  }
  const { task } = said as EventBody<'decline'>;
  return state.tasks.get(toHex(task))?.said.get(author);
}

/**
 * The body of an event that `signer` signs as the state stands: a statement follows on its author's
 * newest one and may land within the next few thousand entries, a tick names the newest head. What
 * names its place itself keeps it; `previous: undefined` says that it follows on none.
 */
export function placed<K extends EventKind>(
  state: FoldState,
  signer: Uint8Array,
  { kind, said }: { kind: K; said: Said<K> },
): EventBody<K> {
  const body = { ...placeOf(state, signer, { kind, said }), ...said };
  const present = Object.entries(body).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as EventBody<K>;
}

function placeOf(
  state: FoldState,
  signer: Uint8Array,
  { kind, said }: { kind: EventKind; said: object },
): object {
  if (kind === 'tick') return { size: state.seq };
  if (!STATEMENTS.has(kind)) return {};
  const within = state.seq + STATEMENT_LANDING;
  if (!IN_TURN.has(kind)) return { within };
  const author = state.charter === null ? undefined : memberByIdentity(state, signer);
  const newest = author === undefined ? undefined : newestOf(state, author.id, { kind, said });
  return newest === undefined ? { within } : { previous: fromHex(newest), within };
}
