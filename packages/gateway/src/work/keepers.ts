// SPDX-License-Identifier: Apache-2.0
// Keepers as this member sees them: each one's evidence as a checklist, the epoch and its
// transcript, the rule; and the forming of an epoch from the joins on the ledger.
import type { KeepersAnswer } from '@cloister/api';
import type { EventBody, Join } from '@cloister/contract';
import { CodedError, fromHex, toHex } from '@cloister/core';
import { type Gateway, publishAccepted, stateInForce } from '../context.ts';
import type { GatewayErrorCode } from '../errors.ts';
import type { EntryRecord } from '../ledger/follower.ts';

/** Every keeper that has joined, newest last, with what its evidence proves now. */
export async function listKeepers(gateway: Gateway): Promise<KeepersAnswer> {
  const state = stateInForce(gateway);
  const { seats, threshold, vendors } = state.charter.keepers;
  const epoch = state.activeEpoch === null ? undefined : state.epochs.get(state.activeEpoch);
  const keepers: KeepersAnswer['keepers'] = [];
  for (const [key, join] of keeperJoins(gateway)) {
    const environment = state.charter.environments.find((e) => e.id === join.body.environment);
    const seat = epoch === undefined ? -1 : epoch.joins.indexOf(key);
    keepers.push({
      join: key,
      seat: seat < 0 ? null : seat + 1,
      operator: join.body.operator,
      environment: join.body.environment,
      tee: environment?.tee ?? 'unknown',
      family: environment?.family ?? 'unknown',
      trust: environment?.trust ?? 'unknown',
      ...(await checklist(gateway, key)),
    });
  }
  const families =
    vendors === 2 ? 'no root family' : `no ${vendors - 1} root families taken together`;
  const share = `${families} and no operator holds more than ${threshold - 1}`;
  return {
    rule: `${threshold} of ${seats} keepers open; ${share}`,
    epoch: state.activeEpoch,
    transcript: epoch?.transcript == null ? null : toHex(epoch.transcript),
    keepers,
  };
}

type Checklist = Pick<KeepersAnswer['keepers'][number], 'accepted' | 'measurement' | 'checks'>;

async function checklist(gateway: Gateway, key: string): Promise<Checklist> {
  const result = await gateway.appraiser.appraise(stateInForce(gateway), key);
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

/**
 * Names the joins of a new epoch: those given, or for each operator and piece of hardware the
 * newest join that no active epoch holds.
 * @throws CodedError `epoch-impossible` when there are not exactly as many as the charter's seats
 */
export async function formEpoch(gateway: Gateway, named: readonly string[]): Promise<EntryRecord> {
  const state = stateInForce(gateway);
  const joins = named.length > 0 ? [...named] : rotated(newestJoins(gateway), state.epochs.size);
  const { seats } = state.charter.keepers;
  if (joins.length !== seats) {
    const got = `${joins.length} keepers have joined, the charter wants ${seats}`;
    const message = `${got}: start the others, or name the joins`;
    throw new CodedError<GatewayErrorCode>('epoch-impossible', 'conflict', message);
  }
  const body: EventBody<'epoch'> = { joins: joins.map((key) => fromHex(key, 32)) };
  return publishAccepted(gateway, 'epoch', body);
}

/** An attempt that ended is not repeated in the same seat order: that would be the same event. */
function rotated(joins: readonly string[], by: number): string[] {
  const at = joins.length === 0 ? 0 : by % joins.length;
  return [...joins.slice(at), ...joins.slice(0, at)];
}

function newestJoins(gateway: Gateway): string[] {
  const newest = new Map<string, string>();
  for (const [key, join] of keeperJoins(gateway)) {
    if (join.excluded !== null) continue;
    const { environment, hardware, operator } = join.body;
    newest.set(`${operator}/${environment}/${toHex(hardware)}`, key);
  }
  return [...newest.values()];
}

function keeperJoins(gateway: Gateway): [string, Join][] {
  return [...stateInForce(gateway).joins].filter(([, join]) => join.body.role === 'keeper');
}
