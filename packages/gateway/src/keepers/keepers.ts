// SPDX-License-Identifier: Apache-2.0
// Keepers as this member sees them: each one's evidence as a checklist, the active epoch's key
// generation computed again, the rule with its numbers; the forming of an epoch, and how an attempt
// goes.

import type { Attempt, KeepersAnswer } from '@cloister/api';
import type { Epoch, Proposal, Said } from '@cloister/contract';
import { activeEpochOf, environmentById, silentJoins, voidError } from '@cloister/contract';
import { type CodedError, fromHex, isCoded, toHex } from '@cloister/core';
import { type Gateway, publishAccepted, stateInForce } from '../context.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { agreementOf, assertHeld } from './consent.ts';
import { checkKey, holdingsOf, type KeyCheck, notHad } from './key-check.ts';
import { cardOf, keeperJoins, planRotation } from './rotation-plan.ts';

/** Every keeper that has joined, newest last, and the active key, each judged anew. */
export async function listKeepers(gateway: Gateway): Promise<KeepersAnswer> {
  const state = stateInForce(gateway);
  const { seats, threshold, vendors } = state.charter.keepers;
  const active = activeEpochOf(state);
  const epoch = active?.epoch;
  const keepers: KeepersAnswer['keepers'] = [];
  for (const [key, join] of keeperJoins(gateway)) {
    const environment = environmentById(state.charter, join.body.environment);
    const seat = epoch === undefined ? -1 : epoch.joins.indexOf(key);
    keepers.push({
      ...cardOf(gateway, key),
      seat: seat < 0 ? null : seat + 1,
      trust: environment?.trust ?? 'unknown',
      ...(await checklist(gateway, key)),
    });
  }
  const check = active === undefined ? undefined : await checkOrFault(gateway, active.key);
  const families =
    vendors === 2 ? 'no root family' : `no ${vendors - 1} root families taken together`;
  const share = `${families} and no operator holds more than ${threshold - 1}`;
  const holdings = epoch === undefined ? [] : holdingsOf(gateway, epoch.joins);
  return {
    rule: `${threshold} of ${seats} keepers open; ${share}`,
    holdings: holdings.map((h) => ({ who: [...h.who], seats: h.seats, most: h.most })),
    epoch: active?.key ?? null,
    transcript: epoch?.transcript == null ? null : toHex(epoch.transcript),
    ceremony: epoch === undefined ? null : ceremonyOf(gateway, epoch, check),
    fault: check?.fault === undefined ? null : faultOf(check.fault),
    keepers,
  };
}

async function checkOrFault(gateway: Gateway, key: string): Promise<Partial<KeyCheck>> {
  try {
    return await checkKey(gateway, key);
  } catch (error) {
    if (isCoded(error)) return { fault: error };
    throw error;
  }
}

/** What the evidence of a join proves; evidence that cannot be had hides no other keeper. */
async function checklist(
  gateway: Gateway,
  key: string,
): Promise<Pick<KeepersAnswer['keepers'][number], 'accepted' | 'measurement' | 'checks'>> {
  const result = await gateway.appraiser.appraise(stateInForce(gateway), key).catch(notHad);
  if (!result.ok) {
    const { code, wanted, got } = result.mismatch;
    const check = { what: code, ok: false, note: `wanted ${wanted}, got ${got}` };
    return { accepted: false, measurement: '', checks: [check] };
  }
  return {
    accepted: true,
    measurement: toHex(result.claims.measurement),
    checks: result.appraisal.checks.map((check) => ({
      what: check.field,
      ok: check.status !== 'contraindicated',
      note: check.status === 'affirming' ? check.got : `wanted ${check.wanted}, got ${check.got}`,
    })),
  };
}

/** Reveals and acknowledgements, by who dealt and who acknowledged. */
function ceremonyOf(
  gateway: Gateway,
  epoch: Epoch,
  check: Partial<KeyCheck> | undefined,
): KeepersAnswer['ceremony'] {
  const made = check?.transcript;
  if (made === undefined) return null;
  const of = epoch.from === null ? epoch : stateInForce(gateway).epochs.get(epoch.from);
  const operator = (join: string | undefined) => cardOf(gateway, join ?? '').operator;
  return {
    lineage: [...made.lineage],
    dealers: made.dealers.map((seat) => ({
      seat,
      operator: operator(of?.joins[seat - 1]),
      commitments: made.commitments,
    })),
    groupKey: toHex(made.groupKey),
    transcript: toHex(made.transcript),
    acknowledged: epoch.joins.map((join, i) => ({ seat: i + 1, operator: operator(join) })),
  };
}

/**
 * Proposes an epoch: the joins given, or the newest of each machine that stand. With `from`, the
 * active epoch, its key is dealt again; otherwise the keepers make another one. A proposal is a
 * consent, too: what a judgement of the joins waits for is here when it is signed.
 * @throws CodedError those of `planRotation` when no joins are given, those of `assertHeld`,
 *   `event-void`
 */
export async function formEpoch(
  gateway: Gateway,
  named: { joins: readonly string[]; from: string | null },
): Promise<EntryRecord> {
  const wish = { joins: [], newKey: true, refresh: false };
  const joins =
    named.joins.length > 0
      ? named.joins
      : (await planRotation(gateway, wish)).seats.map((seat) => seat.join);
  await assertHeld(gateway, joins);
  const from = named.from === null ? {} : { from: fromHex(named.from, 32) };
  const body: Said<'epoch'> = { joins: joins.map((key) => fromHex(key, 32)), ...from };
  return publishAccepted(gateway, 'epoch', body);
}

/** How an attempt stands. @throws CodedError `epoch-unknown` */
export async function attemptOf(gateway: Gateway, id: string): Promise<Attempt> {
  const state = stateInForce(gateway);
  const epoch = state.epochs.get(id);
  const proposal = state.proposals.get(id);
  if (epoch === undefined && proposal !== undefined) return proposed(gateway, id, proposal);
  if (epoch === undefined) {
    const message = `no epoch ${id.slice(0, 16)} here: the gateway may not have followed so far`;
    throw voidError('epoch-unknown', message);
  }
  const { status, phase, deadline, groupKey, end } = epoch;
  const waitsFor = status === 'forming' ? silentJoins(state, epoch) : [];
  return {
    id,
    status,
    phase,
    deadline,
    clock: state.clock,
    waitsFor: waitsFor.map((join) => cardOf(gateway, join)),
    agreed: null,
    groupKey: groupKey === null ? null : toHex(groupKey),
    end:
      end === null
        ? null
        : {
            code: end.code,
            wanted: end.wanted,
            got: end.got,
            faults: end.faults.map((join) => cardOf(gateway, join)),
            found: await foundWrong(gateway, epoch),
          },
  };
}

/** An epoch that members have still to agree to. */
function proposed(gateway: Gateway, id: string, proposal: Proposal): Attempt {
  const { clock } = stateInForce(gateway);
  const waits = { deadline: 0, clock, waitsFor: [], groupKey: null, end: null };
  const agreed = agreementOf(gateway, proposal);
  return { id, status: 'proposed', phase: 'commit', ...waits, agreed };
}

/** Seats of an attempt whose evidence this gateway refuses too. */
async function foundWrong(gateway: Gateway, epoch: Epoch) {
  const found = [];
  for (const join of epoch.joins) {
    const result = await gateway.appraiser.appraise(stateInForce(gateway), join);
    if (!result.ok) found.push({ ...cardOf(gateway, join), ...result.mismatch });
  }
  return found;
}

function faultOf({ code, message }: CodedError): { code: string; sentence: string } {
  return { code, sentence: message };
}
