// SPDX-License-Identifier: Apache-2.0
// Amendments. A member proposes the next charter, members sign, and at the position of the last
// signature that is needed it is in force: for every event after it, and for whatever is judged
// again. The others that were open named the charter before, so they are void by then. Who is
// needed is charter/amendment.ts; here is what follows. spec/events.md, "amend, sign".
import { equal, toHex } from '@cloister/core';
import { type AmendmentNeeds, amendmentNeeds } from '../charter/amendment.ts';
import type { CharterBody } from '../charter/body.ts';
import {
  charterChanges,
  newKeys,
  rekeyed,
  removedMembers,
  widenedEnvironment,
} from '../charter/changes.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { freezeKeyOwner } from './acceptance.ts';
import { endEpoch } from './epoch-ends.ts';
import { charterIndex, charterOf, memberByIdentity, ownerOf } from './lookup.ts';
import { endRun, openRunsOf } from './runs.ts';
import type { Amendment, FoldState } from './state.ts';
import { judgeTurn, newestWish } from './statements.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Of no charter. */
const NO_DIGEST = new Uint8Array(0);

export function foldAmend(state: FoldState, event: AdmittedEvent<'amend'>): Verdict {
  const { body, charterDigest } = event;
  const author = memberByIdentity(state, event.signer);
  if (author === undefined) return voided('not-a-member');
  const before = charterOf(state);
  if (!equal(body.before, state.charterDigest ?? NO_DIGEST)) {
    return voided('amend-before', `in force is version ${before.version}`);
  }
  const wanted = before.version + 1;
  if (body.charter.version !== wanted) {
    return voided('charter-version', `got version ${body.charter.version}, wanted ${wanted}`);
  }
  const wrong = judgeNext(state, before, event);
  if (wrong !== undefined || charterDigest === undefined) return wrong;
  const outOfTurn = judgeTurn(body, newestWish(state, 'amend', author.id));
  if (outOfTurn !== undefined) return outOfTurn;
  state.wishes.set(`amend/${author.id}`, event.key);
  forgetLate(state);
  for (const [key, open] of state.amendments) {
    if (open.author === author.id) state.amendments.delete(key);
  }
  const amendment: Amendment = {
    author: author.id,
    body,
    digest: charterDigest,
    seq: state.seq,
    signed: new Set([author.id]),
    shown: new Set(),
  };
  state.amendments.set(event.key, amendment);
  settle(state, event.key, amendment);
  return undefined;
}

function judgeNext(
  state: FoldState,
  before: CharterBody,
  { body }: AdmittedEvent<'amend'>,
): Verdict {
  const after = body.charter;
  if (charterChanges(before, after).length === 0) return voided('amend-nothing');
  const widened = widenedEnvironment(before, after);
  if (widened !== undefined) return voided('amend-environment-widened', widened);
  const back = after.members.find(({ id }) => state.former.members.has(id));
  if (back !== undefined) return voided('amend-member-returned', back.id);
  const known = charterIndex(before).keys;
  const used = [...charterIndex(after).keys].find(
    (key) => !known.has(key) && (state.former.keys.has(key) || state.nodeKeys.has(key)),
  );
  if (used !== undefined) return voided('amend-key-used', `${used.slice(0, 16)}...`);
  const other = body.replaces?.find((id) => !rekeyed(before, after).includes(id));
  return other === undefined ? undefined : voided('amend-replaces', other);
}

export function foldSign(state: FoldState, event: AdmittedEvent<'sign'>): Verdict {
  const key = toHex(event.body.amend);
  if (key === state.amendment) return accept(state, event);
  const amendment = state.amendments.get(key);
  if (amendment === undefined || isLate(state, amendment))
    return voided('sign-unknown', key.slice(0, 16));
  const member = memberByIdentity(state, event.signer);
  const next = charterIndex(amendment.body.charter).identities.get(toHex(event.signer));
  if (member === undefined && next === undefined) return voided('sign-not-a-signer');
  const { shown } = event;
  if (shown !== undefined && (next === undefined || !equal(next.witness, shown.key))) {
    return voided('sign-witness', toHex(shown.key).slice(0, 16));
  }
  const fresh = new Set(newKeys(charterOf(state), amendment.body.charter));
  const spoken = [event.signer, ...(shown === undefined ? [] : [shown.key])]
    .map(toHex)
    .filter((spoke) => fresh.has(spoke) && !amendment.shown.has(spoke));
  const signs = member !== undefined && !amendment.signed.has(member.id);
  if (!signs && spoken.length === 0) return voided('sign-repeated');
  if (member !== undefined) amendment.signed.add(member.id);
  for (const spoke of spoken) amendment.shown.add(spoke);
  settle(state, key, amendment);
  return undefined;
}

/** A member agrees late to the charter in force: from now on it touches its data, too. */
function accept(state: FoldState, event: AdmittedEvent<'sign'>): Verdict {
  const member = memberByIdentity(state, event.signer);
  if (member === undefined) return voided('not-a-member');
  const { version } = charterOf(state);
  if (state.accepted.get(member.id) === version) return voided('sign-repeated');
  state.accepted.set(member.id, version);
  return undefined;
}

/** What an open amendment still needs. */
function needsOf(state: FoldState, { body, signed, shown }: Amendment): AmendmentNeeds {
  const { charter: after, replaces = [] } = body;
  return amendmentNeeds({ before: charterOf(state), after, replaces, signed, shown });
}

/** Amendments that did not come into force by the size they named are forgotten. */
function forgetLate(state: FoldState): void {
  for (const [key, amendment] of state.amendments) {
    if (isLate(state, amendment)) state.amendments.delete(key);
  }
}

function isLate(state: FoldState, { body }: Amendment): boolean {
  return state.seq >= body.within;
}

function settle(state: FoldState, key: string, amendment: Amendment): void {
  if (needsOf(state, amendment).met) enter(state, key, amendment);
}

/** The next charter is in force from here on. */
function enter(state: FoldState, key: string, { body, digest, signed }: Amendment): void {
  const { replaces = [] } = body;
  const before = charterOf(state);
  const after = body.charter;
  const gone = removedMembers(before, after);
  endEpoch(state, { code: 'charter-amended', faults: [], wanted: 'one charter', got: 'the next' });
  state.proposals.clear();
  for (const id of [...gone, ...replaces]) forgetMember(state, id);
  for (const id of gone) state.former.members.add(id);
  const now = charterIndex(after).keys;
  for (const old of charterIndex(before).keys) if (!now.has(old)) state.former.keys.add(old);
  acceptFor(state, { before, after, signed, replaces });
  gain(state, before, after);
  state.amendments.clear();
  state.charter = after;
  state.charterDigest = digest;
  state.charterSeqs.push(state.seq);
  state.amendment = key;
}

/** Who signed has accepted; so has who came in, by the signature that it came in with. */
function acceptFor(
  state: FoldState,
  of: {
    before: CharterBody;
    after: CharterBody;
    signed: ReadonlySet<string>;
    replaces: readonly string[];
  },
): void {
  const { before, after, signed, replaces } = of;
  const was = charterIndex(before).members;
  for (const { id } of after.members) {
    const enters = !was.has(id) || replaces.includes(id);
    if (enters || signed.has(id)) state.accepted.set(id, after.version);
  }
}

function gain(state: FoldState, before: CharterBody, after: CharterBody): void {
  for (const { gains } of charterChanges(before, after)) {
    if (gains !== undefined) state.gained.set(gains, after.version);
  }
}

/** What was a member's is nobody's: its data, its grants, and what others granted to its tasks. */
function forgetMember(state: FoldState, id: string): void {
  state.ticks.delete(id);
  state.closings.delete(id);
  freezeKeyOwner(state, id);
  for (const dataset of state.datasets.values()) if (dataset.owner === id) dataset.retired = true;
  for (const [taskKey, task] of state.tasks) {
    const receives = task.body.outputs.some(({ recipients }) => recipients.includes(id));
    const owns = task.body.inputs.some((input) => ownerOf(state, input) === id);
    if (!owns && !receives && task.proposer !== id) continue;
    task.grants.clear();
    for (const run of openRunsOf(state, taskKey)) endRun(state, run, 'member-left');
  }
}
