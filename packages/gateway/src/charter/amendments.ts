// SPDX-License-Identifier: Apache-2.0
// The charter as this gateway's people see and change it: what an amendment would do, proposing it,
// signing it, and the charters that were.
import type { AmendmentFile, AmendmentJson, CharterAnswer } from '@cloister/api';
import {
  type Amendment,
  amendmentEffects,
  amendmentNeeds,
  type CharterBody,
  charterChanges,
  charterDigest,
  charterFromReadable,
  charterIndex,
  checkCharter,
  contractError,
  memberByIdentity,
  newKeys,
  readableCharter,
  STATEMENT_LANDING,
  signCharterKey,
  signEvent,
  widenedEnvironment,
} from '@cloister/contract';
import { equal, fromBase64, fromHex, type Signer, toHex, verifyCose } from '@cloister/core';
import {
  appendAndFold,
  type Gateway,
  publishAccepted,
  refuseVoid,
  stateInForce,
} from '../context.ts';
import { gatewayError } from '../errors.ts';
import { readKeys } from '../home.ts';
import type { EntryRecord } from '../ledger/follower.ts';

/** What is asked for, as parsed from a request. */
export interface AmendWish {
  readonly charter: unknown;
  readonly replaces: readonly string[];
  readonly within?: number | undefined;
  readonly roots: readonly string[];
}

/** GET /admin/v1/charter */
export function charterView(gateway: Gateway): CharterAnswer {
  const state = stateInForce(gateway);
  const { follower, genesis } = gateway;
  return {
    member: gateway.card.id,
    genesis: toHex(genesis),
    charter: readableCharter(state.charter),
    version: state.charter.version,
    size: follower.size,
    accepted: [...state.accepted].map(([member, version]) => ({ member, version })),
    open: [...state.amendments]
      .filter(([, { body }]) => follower.size < body.within)
      .map(([id, amendment]) => amendmentView(gateway, amendment, id)),
    history: follower.charters.map(({ body, seq }, i) => {
      const event = amendingEvent(gateway, body);
      const before = follower.charters[i - 1]?.body;
      const signer = event === undefined ? undefined : memberByIdentityIn(before, event.signer);
      return {
        version: body.version,
        seq,
        amendment: event?.key ?? null,
        author: signer ?? null,
        changes: before === undefined ? [] : charterChanges(before, body).map(({ says }) => says),
      };
    }),
  };
}

/** What the amendment would do, as the ledger stands; nothing is appended. */
export function lookAt(gateway: Gateway, wish: AmendWish): AmendmentJson {
  const charter = readNext(gateway, wish.charter);
  const { card, follower } = gateway;
  const replaces = [...wish.replaces];
  const body = { before: new Uint8Array(32), charter, within: 0, ...(replaces[0] && { replaces }) };
  const made = { author: card.id, body, digest: new Uint8Array(32), seq: follower.size };
  return amendmentView(gateway, { ...made, signed: new Set([card.id]), shown: new Set() }, null);
}

/** Proposes the next charter. @throws CodedError `event-void`, charter codes */
export async function proposeAmendment(gateway: Gateway, wish: AmendWish): Promise<EntryRecord> {
  const charter = readNext(gateway, wish.charter);
  for (const root of wish.roots) await gateway.blobs.put(fromBase64(root));
  const before = charterDigest(stateInForce(gateway).charter, gateway.crypto);
  const { replaces, within } = wish;
  return publishAccepted(gateway, 'amend', {
    before,
    charter,
    ...(replaces.length > 0 && { replaces: [...replaces] }),
    ...(within !== undefined && { within }),
  });
}

/**
 * Signs an amendment with every key of ours that it wants: the identity key, the next one where it
 * gives us another, and the word of a new witness key.
 * @throws CodedError `amendment-unknown`, `event-void`
 */
export async function signAmendment(gateway: Gateway, id: string): Promise<EntryRecord> {
  const state = stateInForce(gateway);
  const amend = fromHex(id, 32);
  const open = state.amendments.get(id);
  if (open === undefined && state.amendment !== id) throw unknown(id);
  if (open === undefined) return publishAccepted(gateway, 'sign', { amend });
  const { identity } = gateway.keys;
  // They may have been made since this process began.
  const { next } = await readKeys(gateway.home);
  const { identities } = charterIndex(open.body.charter);
  const signers = [identity, ...(equal(identity.key, next.identity.key) ? [] : [next.identity])];
  let last: EntryRecord | undefined;
  for (const signer of signers) {
    const listed = identities.has(toHex(signer.key));
    if (memberByIdentity(state, signer.key) === undefined && !listed) continue;
    const record = await signAs(gateway, { amend, open, signer, witness: next.witness });
    if (record.status === 'accepted' || last === undefined) last = record;
    if (!state.amendments.has(id)) break;
  }
  if (last === undefined) throw unknown(id);
  refuseVoid(last, 'sign');
  return last;
}

async function signAs(
  gateway: Gateway,
  of: { amend: Uint8Array; open: Amendment; signer: Signer; witness: Signer },
): Promise<EntryRecord> {
  const { amend, open, signer, witness } = of;
  const { card, genesis, follower } = gateway;
  const { charter: after } = open.body;
  const named = charterIndex(after).identities.get(toHex(signer.key));
  const fresh = newKeys(stateInForce(gateway).charter, after);
  const speaks =
    named !== undefined && equal(named.witness, witness.key) && fresh.includes(toHex(witness.key));
  const about = { genesis, amend, identity: signer.key };
  const word = speaks ? { witness: await signCharterKey(witness, card.id, about) } : {};
  const body = { amend, within: follower.size + STATEMENT_LANDING, ...word };
  return appendAndFold(gateway, await signEvent(signer, card.id, { genesis, kind: 'sign', body }));
}

/** Puts on the ledger what a member without a gateway has signed. @throws CodedError `cose-*` */
export async function forwardSignature(gateway: Gateway, event: Uint8Array): Promise<EntryRecord> {
  await verifyCose(gateway.crypto, event);
  const record = await appendAndFold(gateway, event);
  refuseVoid(record, 'sign');
  return record;
}

/** What a member needs to sign without a gateway. @throws CodedError `amendment-unknown` */
export function amendmentFileOf(gateway: Gateway, id: string): AmendmentFile {
  const { genesis, follower } = gateway;
  const open = stateInForce(gateway).amendments.get(id);
  if (open === undefined) throw unknown(id);
  const charter = readableCharter(open.body.charter);
  return { genesis: toHex(genesis), amend: id, size: follower.size, charter };
}

/** An open amendment, by its event id. @throws CodedError `amendment-unknown` */
export function openAmendment(gateway: Gateway, id: string): AmendmentJson {
  const open = stateInForce(gateway).amendments.get(id);
  if (open === undefined) throw unknown(id);
  return amendmentView(gateway, open, id);
}

function amendmentView(gateway: Gateway, amendment: Amendment, id: string | null): AmendmentJson {
  const state = stateInForce(gateway);
  const { author, body, signed, shown } = amendment;
  const { charter: after, replaces = [] } = body;
  const before = state.charter;
  const needs = amendmentNeeds({ before, after, replaces, signed, shown });
  const holder = (key: string) =>
    after.members.find((m) => [m.identity, m.witness].some((one) => toHex(one) === key))?.id ?? '';
  const effects = amendmentEffects(state, after, replaces);
  return {
    id,
    author,
    version: after.version,
    within: id === null ? null : body.within,
    replaces: [...replaces],
    changes: charterChanges(before, after).map(({ effect, says }) => ({ effect, says })),
    signed: [...needs.counted],
    wanted: needs.wanted,
    own: [...needs.own],
    unshown: needs.unshown.map((key) => ({ member: holder(key), key })),
    effects: {
      ...effects,
      lost: effects.lost.map((seat) => ({ ...seat })),
      retired: [...effects.retired],
      owners: [...effects.owners],
    },
  };
}

/** The next charter, checked as far as it can be here. */
function readNext(gateway: Gateway, value: unknown): CharterBody {
  const { charter: before } = stateInForce(gateway);
  const after = { ...charterFromReadable(value), version: before.version + 1 };
  checkCharter(after);
  const widened = widenedEnvironment(before, after);
  if (widened === undefined) return after;
  const message = `environment ${widened} would take more than before: give the new terms a name`;
  throw contractError('charter-environments', message);
}

/** The event that brought a charter; none for the first. */
function amendingEvent({ follower }: Gateway, body: CharterBody) {
  for (let seq = 0; seq < follower.size; seq++) {
    const event = follower.record(seq)?.event;
    if (event?.kind === 'amend' && event.body.charter === body) return event;
  }
  return undefined;
}

function memberByIdentityIn(charter: CharterBody | undefined, key: Uint8Array): string | undefined {
  return charter?.members.find(({ identity }) => equal(identity, key))?.id;
}

function unknown(id: string) {
  const message = `no amendment ${id.slice(0, 16)} is open: in force, overtaken, or too old`;
  return gatewayError('amendment-unknown', message);
}
