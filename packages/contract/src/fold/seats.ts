// SPDX-License-Identifier: Apache-2.0
// Which keepers' joins may take the seats of an epoch: as many as the charter says, each once, each
// with a place in the charter in force, none at fault, under the vendor rule; and whether an
// operator has a second seat that another could take. spec/events.md, "epoch".
import type { Seat } from '../charter/vendor-rule.ts';
import { vendorBreach } from '../charter/vendor-rule.ts';
import { keyOwnerAgainst } from './acceptance.ts';
import { activeEpochOf, charterOf, indexOf } from './lookup.ts';
import { judgePlace } from './places.ts';
import type { FoldState } from './state.ts';
import { type Verdict, type Voided, voided } from './void-codes.ts';

/** Whether these joins may be the seats of the next epoch, in this order. */
export function judgeSeats(state: FoldState, joins: readonly string[]): Verdict {
  const { seats, threshold, vendors } = charterOf(state).keepers;
  if (joins.length !== seats) return voided('epoch-seats', `got ${joins.length}, wanted ${seats}`);
  if (new Set(joins).size !== joins.length) return voided('epoch-join-repeated');
  const taken: Seat[] = [];
  for (const [i, key] of joins.entries()) {
    const where = `seat ${i + 1}`;
    const join = state.joins.get(key);
    if (join === undefined) return voided('epoch-join-unknown', where);
    if (join.body.role !== 'keeper') return voided('epoch-join-not-keeper', where);
    if (join.excluded !== null) return voided('epoch-join-excluded', `${where}: ${join.excluded}`);
    const outdated = judgePlace(state, join.body);
    if (outdated !== undefined) return voided('epoch-join-outdated', `${where}: ${outdated.code}`);
    taken.push(seatOf(state, join.body));
  }
  const breach = vendorBreach(taken, { threshold, vendors });
  if (breach === undefined) return undefined;
  const who = breach.who.join(' and ');
  const got = `${who}: got ${breach.seats} seats, wanted at most ${breach.most}`;
  return voided(`epoch-${breach.code}`, got);
}

function seatOf(state: FoldState, body: { operator: string; environment: string }): Seat {
  const family = indexOf(state).environments.get(body.environment)?.family ?? '';
  return { operator: body.operator, family };
}

/**
 * Who has a second seat that the newest keeper among `live` of an operator without one could take
 * under the vendor rule, as a sentence: one member could otherwise name seats that two operators
 * hold alone. Which keepers are alive, evidence says, so gateways ask this for what they agree to;
 * the fold, which sees none, asks it where nobody has to agree (proposals.ts).
 */
export function secondSeat(
  state: FoldState,
  joins: readonly string[],
  live: Iterable<string>,
): string | undefined {
  const taken = joins.flatMap((key) => seatsOf(state, key));
  const seats = new Map<string, number>();
  for (const { operator } of taken) seats.set(operator, (seats.get(operator) ?? 0) + 1);
  const doubles = taken.filter(({ operator }) => (seats.get(operator) as number) > 1);
  if (doubles.length === 0) return undefined;
  const { keepers } = charterOf(state);
  for (const candidate of without(state, live, seats)) {
    // What the rule says of an exchange depends on the two families alone.
    const families = new Map(doubles.map((seat) => [seat.family, seat]));
    for (const given of families.values()) {
      const changed = taken.map((seat) => (seat === given ? candidate : seat));
      if (vendorBreach(changed, keepers) !== undefined) continue;
      return `${given.operator} has ${seats.get(given.operator)}, ${candidate.operator} none`;
    }
  }
  return undefined;
}

function seatsOf(state: FoldState, key: string): Seat[] {
  const body = state.joins.get(key)?.body;
  return body === undefined ? [] : [seatOf(state, body)];
}

/** What keepers of operators without a seat would hold, each family once. */
function without(
  state: FoldState,
  live: Iterable<string>,
  seats: ReadonlyMap<string, number>,
): Seat[] {
  const found = new Map<string, Seat>();
  for (const seat of [...live].flatMap((key) => seatsOf(state, key))) {
    if (!seats.has(seat.operator) && !found.has(seat.family)) found.set(seat.family, seat);
  }
  return [...found.values()];
}

/** By operator, its newest keeper's join, where that may take a seat. */
export function newestKeepers(state: FoldState): string[] {
  const newest = new Map<string, string>();
  for (const [key, { body, seq }] of state.joins) {
    if (body.role !== 'keeper') continue;
    const known = state.joins.get(newest.get(body.operator) ?? '');
    if (known === undefined || known.seq < seq) newest.set(body.operator, key);
  }
  return [...newest.values()].filter((key) => {
    const join = state.joins.get(key);
    return join?.excluded === null && judgePlace(state, join.body) === undefined;
  });
}

/** Whether these seats may form an epoch now; if so, who deals. */
export function judgeEpoch(
  state: FoldState,
  joins: readonly string[],
  from: string | null,
): number[] | Voided {
  const wrong = judgeSeats(state, joins);
  if (wrong !== undefined) return wrong;
  const dealers = dealersOf(state, joins, from);
  if (!Array.isArray(dealers) || from === null) return dealers;
  return judgeOwners(state, joins) ?? dealers;
}

/** The running key goes to nobody whom an owner of data under it has not accepted. */
function judgeOwners(state: FoldState, joins: readonly string[]): Verdict {
  const against = keyOwnerAgainst(state, { joins: [...joins] });
  if (against === undefined) return undefined;
  return voided('epoch-owner-not-accepted', `${against.owner}: ${against.item}`);
}

/** Who deals: all seats for a new key; in a reshare the seats of `from` that are named again. */
function dealersOf(
  state: FoldState,
  joins: readonly string[],
  from: string | null,
): number[] | Voided {
  if (from === null) return seatNumbers(joins);
  const active = activeEpochOf(state);
  if (active?.key !== from) return voided('epoch-from-not-active');
  const { joins: holders, threshold } = active.epoch;
  const dealers = seatNumbers(holders).filter((seat) =>
    joins.includes(holders[seat - 1] as string),
  );
  if (dealers.length < threshold) {
    return voided('epoch-dealers-few', `got ${dealers.length}, wanted ${threshold}`);
  }
  return dealers;
}

function seatNumbers(joins: readonly string[]): number[] {
  return joins.map((_, i) => i + 1);
}
