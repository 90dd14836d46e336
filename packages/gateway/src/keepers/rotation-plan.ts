// SPDX-License-Identifier: Apache-2.0
// What a rotation of the keepers would do, before anybody does it: which joins take the seats,
// which leave, whether the group key stays or another one is made, what the rule says of it, and
// whose datasets are sealed again. It reads the ledger and this gateway's own appraisals only.
//
// A machine's newest join is its keeper: shares live in memory, so whoever joined anew holds none,
// and a seat whose machine has a newer join has lost its share. A keeper that is silent without
// having joined again is found out by the deadline of the attempt, excluded, and left out by the
// next plan. docs/design/key-sharing.md, "Rotation".

import type { RotationPlan } from '@cloister/api';
import type { Epoch, FoldState, Join, Mismatch } from '@cloister/contract';
import {
  activeEpochOf,
  environmentById,
  judgeSeats,
  newestEpochOf,
  secondSeat,
  voidError,
} from '@cloister/contract';
import { type CodedError, toHex } from '@cloister/core';
import { type Gateway, stateInForce } from '../context.ts';
import { gatewayError } from '../errors.ts';
import { breach, holdingsOf, notHad, notStanding } from './key-check.ts';

export interface RotationWish {
  /** Joins for the seats, or none: then the newest that stand, holders of a share first. */
  readonly joins: readonly string[];
  /** Another group key, whoever lives: after a break, or when too few holders are left. */
  readonly newKey: boolean;
  /** Deal the shares again even when no seat changes. */
  readonly refresh: boolean;
}

/** More choices of seats than this are not tried: the joins must be named. */
const MOST_CHOICES = 2_000;
const EXCLUDED = 'one at fault in an attempt that failed';
const LET_THEM_RUN = 'let it run, mend what kept it from its part, and name the joins (--join)';

/**
 * Plans a rotation as the ledger stands; nothing is appended.
 * @throws CodedError `epoch-forming`, `epoch-impossible` (wait, or start keepers),
 *   `epoch-holders-few` (wanted `newKey`), `keeper-not-standing`, `epoch-vendor-rule`,
 *   `epoch-operator-rule`; of kind `unavailable` or `not-found` while the
 *   evidence of a named join cannot be had
 */
export async function planRotation(gateway: Gateway, wish: RotationWish): Promise<RotationPlan> {
  const state = stateInForce(gateway);
  if (state.formingEpoch !== null) {
    const message = `epoch ${state.formingEpoch.slice(0, 16)} is forming: wait until it is over`;
    throw voidError('epoch-forming', message);
  }
  const active = activeEpochOf(state)?.epoch;
  const from = active === undefined || wish.newKey ? null : state.activeEpoch;
  const { stands, leftOut } = await candidates(gateway, wish.joins);
  const chosen =
    wish.joins.length > 0
      ? namedSeats(gateway, stands)
      : chooseSeats(gateway, { stands, leftOut }, active);
  const missing = active?.joins.filter((join) => !chosen.includes(join)) ?? [];
  const staying = active?.joins.filter((join) => chosen.includes(join)) ?? [];
  const gone = (join: string) => goneBecause(gateway, join, leftOut);
  const holdings = holdingsOf(gateway, chosen);
  const fault = breach(holdings) ?? refused(state, chosen);
  if (fault !== undefined) throw fault;
  const holders = active?.joins.filter((join) => isNewest(gateway, join)) ?? [];
  const kind = kindOf({ active, from, staying, holders, chosen, wish });
  const joins = inPlace(chosen, from === null ? undefined : active?.joins);
  return {
    kind,
    why: whyOf({
      kind,
      first: active === undefined,
      gone: missing.map((join) => `${cardOf(gateway, join).operator} ${gone(join)}`),
      wish,
    }),
    from,
    threshold: state.charter.keepers.threshold,
    seats: joins.map((join, i) => ({
      ...cardOf(gateway, join),
      seat: i + 1,
      holds: staying.includes(join),
    })),
    leaving: missing.map((join) => ({ ...cardOf(gateway, join), why: gone(join) })),
    leftOut: leftOut.map(({ join, mismatch }) => ({ ...cardOf(gateway, join), ...mismatch })),
    holdings: holdings.map(({ who, seats, most }) => ({ who: [...who], seats, most })),
    reseal: kind === 'new-key' ? ownersOf(gateway) : [],
  };
}

/** What else the ledger would say of these seats. */
function refused(state: FoldState, chosen: readonly string[]): CodedError | undefined {
  const wrong = judgeSeats(state, chosen);
  return wrong === undefined ? undefined : voidError(wrong.code, wrong.sentence);
}

function kindOf(of: {
  active: Epoch | undefined;
  from: string | null;
  staying: readonly string[];
  /** Seats of the active epoch that still have their share, for all that is known. */
  holders: readonly string[];
  chosen: readonly string[];
  wish: RotationWish;
}): RotationPlan['kind'] {
  const { active, from, staying, holders, chosen, wish } = of;
  if (active === undefined || from === null) return 'new-key';
  if (staying.length < active.threshold) {
    const left = `${staying.length} of these keepers hold a share of the group key`;
    const needs = `${active.threshold} are needed to deal it again`;
    if (holders.length >= active.threshold) {
      const message = `${left}, ${needs}, and ${holders.length} have one: ${LET_THEM_RUN}`;
      throw gatewayError('epoch-impossible', message);
    }
    const message = `${left}, ${needs}: make another (--new-key); every gateway seals to it`;
    throw gatewayError('epoch-holders-few', message);
  }
  const same = staying.length === chosen.length;
  return same && !wish.refresh ? 'none' : 'reshare';
}

function whyOf(of: {
  kind: RotationPlan['kind'];
  first: boolean;
  gone: readonly string[];
  wish: RotationWish;
}): string {
  const { kind, first, gone, wish } = of;
  if (first) return 'there is no group key yet';
  if (kind === 'none') return 'the newest keeper of each machine holds a share already';
  if (wish.newKey) return 'a new key was asked for: what the old shares open must be sealed again';
  if (gone.length === 0) return 'fresh shares were asked for; the old ones are wiped';
  return `${gone.join('; ')}; enough holders are left to deal the same key again`;
}

interface Candidates {
  readonly stands: string[];
  readonly leftOut: { join: string; mismatch: Mismatch }[];
}

/** Joins that could take a seat, oldest first: those named, or each machine's newest. */
async function candidates(gateway: Gateway, named: readonly string[]): Promise<Candidates> {
  const state = stateInForce(gateway);
  const stands: string[] = [];
  const leftOut: Candidates['leftOut'] = [];
  for (const join of named) {
    const excluded = state.joins.get(join)?.excluded ?? null;
    if (excluded !== null) {
      const { operator } = cardOf(gateway, join);
      const message = `${operator} was excluded (${excluded}): start it again`;
      throw gatewayError('epoch-impossible', message);
    }
    const result = await gateway.appraiser.appraise(state, join);
    if (!result.ok) throw notStanding(cardOf(gateway, join).operator, result.mismatch);
    stands.push(join);
  }
  const failed = lastFailure(state);
  for (const [join, { excluded }] of named.length > 0 ? [] : newestJoins(gateway)) {
    const code = excluded ?? (failed?.faults.includes(join) ? failed.code : null);
    if (code !== null) {
      const mismatch = { code, wanted: 'a keeper that does its part', got: EXCLUDED };
      leftOut.push({ join, mismatch });
      continue;
    }
    const result = await gateway.appraiser.appraise(state, join).catch(notHad);
    if (result.ok) stands.push(join);
    else leftOut.push({ join, mismatch: result.mismatch });
  }
  return { stands, leftOut };
}

/** How the newest attempt at a key ended, if it failed: it excludes no holder of a key. */
function lastFailure(state: FoldState): Epoch['end'] {
  return newestEpochOf(state)?.epoch.end ?? null;
}

function namedSeats(gateway: Gateway, named: readonly string[]): string[] {
  const { seats } = stateInForce(gateway).charter.keepers;
  if (named.length === seats && new Set(named).size === seats) return [...named];
  const message = `${named.length} joins are named; the charter wants ${seats}, each once`;
  throw gatewayError('epoch-impossible', message);
}

/**
 * Holders first, then the newest; of these the first choice that the rule allows. Whoever ended the
 * newest attempt by its word alone comes last: perhaps it was right, and others may do.
 */
function chooseSeats(
  gateway: Gateway,
  { stands, leftOut }: Candidates,
  active: Epoch | undefined,
): string[] {
  const state = stateInForce(gateway);
  const { seats } = state.charter.keepers;
  if (stands.length < seats) {
    const got = `${stands.length} keepers have joined and stand, the charter wants ${seats}`;
    const why = leftOut.map(({ join, mismatch: { code, wanted, got } }) => {
      const { operator } = cardOf(gateway, join);
      return got === EXCLUDED
        ? `; that of ${operator} ${atFault(gateway, { join, code }, active)}`
        : `; the newest of ${operator} does not stand (${code}): wanted ${wanted}, got ${got}`;
    });
    throw gatewayError(
      'epoch-impossible',
      `${got}: start the others, or name the joins${why.join('')}`,
    );
  }
  const holds = (join: string) => active?.joins.includes(join) === true;
  const doubted = lastFailure(state)?.doubted ?? [];
  const order = [...stands.filter(holds), ...stands.filter((join) => !holds(join)).reverse()];
  const ranked = [
    ...order.filter((join) => !doubted.includes(join)),
    ...order.filter((join) => doubted.includes(join)),
  ];
  let tries = 0;
  for (const choice of choices(ranked, seats)) {
    const fits = judgeSeats(state, choice) === undefined;
    if (fits && secondSeat(state, choice, stands) === undefined) {
      return stands.filter((join) => choice.includes(join));
    }
    tries += 1;
    if (tries === MOST_CHOICES) break;
  }
  // Let the rule's own sentence say what is wrong with the best of them.
  return ranked.slice(0, seats);
}

/** What to do about a keeper at fault; whoever starts a holder again makes it lose its share. */
function atFault(
  gateway: Gateway,
  { join, code }: { join: string; code: string },
  active: Epoch | undefined,
): string {
  const holds = active?.joins.includes(join) === true && isNewest(gateway, join);
  if (!holds) return `was excluded (${code}): start it again`;
  return `was at fault (${code}) and holds a share of the running key: ${LET_THEM_RUN}`;
}

/** Every choice of `size`, those of the first ones first. */
function* choices(from: readonly string[], size: number): Generator<string[]> {
  if (size === 0) yield [];
  for (let i = 0; size > 0 && i + size <= from.length; i++) {
    for (const rest of choices(from.slice(i + 1), size - 1)) yield [from[i] as string, ...rest];
  }
}

/** In a reshare whoever stays keeps its seat, and the others take those that are left. */
function inPlace(chosen: readonly string[], before: readonly string[] | undefined): string[] {
  if (before?.length !== chosen.length) return [...chosen];
  const fresh = chosen.filter((join) => !before.includes(join));
  return before.map((join) => (chosen.includes(join) ? join : (fresh.shift() as string)));
}

/** The newest join of each machine, oldest first. */
function newestJoins(gateway: Gateway): [string, Join][] {
  const newest = new Map<string, [string, Join]>();
  for (const [key, join] of keeperJoins(gateway)) {
    newest.delete(machineOf(join));
    newest.set(machineOf(join), [key, join]);
  }
  return [...newest.values()];
}

export function keeperJoins(gateway: Gateway): [string, Join][] {
  const joins = [...stateInForce(gateway).joins].filter(([, { body }]) => body.role === 'keeper');
  return joins.sort(([, a], [, b]) => a.seq - b.seq);
}

/** Whether no newer keeper runs on the machine of this one. */
function isNewest(gateway: Gateway, join: string): boolean {
  return newestJoins(gateway).some(([key]) => key === join);
}

function machineOf({ body }: Join): string {
  return `${body.operator}/${body.environment}/${toHex(body.hardware)}`;
}

/** Why a seat of the active epoch is not in the plan. */
function goneBecause(
  gateway: Gateway,
  join: string,
  leftOut: readonly { join: string; mismatch: Mismatch }[],
): string {
  const known = stateInForce(gateway).joins.get(join) as Join;
  if (known.excluded !== null) return `was excluded (${known.excluded})`;
  const refusal = leftOut.find((one) => one.join === join)?.mismatch.code;
  if (refusal !== undefined) return `does not stand any more (${refusal})`;
  const newest = keeperJoins(gateway).findLast(([, o]) => machineOf(o) === machineOf(known));
  return newest?.[0] === join ? 'leaves' : 'has joined anew, so its old share is gone';
}

/** Who stands behind a join, for people. */
export function cardOf(gateway: Gateway, join: string) {
  const { joins, charter } = stateInForce(gateway);
  const body = joins.get(join)?.body;
  const environment = environmentById(charter, body?.environment ?? '');
  return {
    join,
    operator: body?.operator ?? '',
    environment: body?.environment ?? '',
    tee: environment?.tee ?? '',
    family: environment?.family ?? '',
  };
}

/** Dataset versions that a new key has sealed again, by owner. */
function ownersOf(gateway: Gateway): { owner: string; datasets: number }[] {
  const counts = new Map<string, number>();
  for (const { owner, versions } of stateInForce(gateway).datasets.values()) {
    counts.set(owner, (counts.get(owner) ?? 0) + versions.size);
  }
  return [...counts].map(([owner, datasets]) => ({ owner, datasets }));
}
