// SPDX-License-Identifier: Apache-2.0
// What one charter changes in another, in terms: what widens (more can touch data, or fewer must
// agree), what narrows, what is neither. A gain is named, so that each owner's acceptance can be
// asked for it (fold/acceptance.ts). Pure, and the same for the fold, the command line and audits.
// docs/design/charters-that-live.md.
import { type Cbor, encodeCbor, toHex } from '@cloister/core';
import { CAGES, type CharterBody, type Environment, type Member, type Operator } from './body.ts';

export type Effect = 'widens' | 'narrows' | 'neutral';

export interface CharterChange {
  readonly effect: Effect;
  /** For people. */
  readonly says: string;
  /** The item gained: an owner who has not accepted it is not touched by it. */
  readonly gains?: string;
  /** Whether the charter's quorum has to sign; a majority is enough for the others. */
  readonly quorum: boolean;
}

/** Items of the charter that are numbers, not places. */
export const KEEPERS_RULE = 'keepers';
export const WITNESS_RULE = 'witnesses';
export const FOLD_RULES = 'fold';

export const operatorItem = (id: string): string => `operator/${id}`;
export const environmentItem = (id: string): string => `environment/${id}`;

export function hardwareItem(operator: string, tee: string, id: Uint8Array): string {
  return `hardware/${operator}/${tee}/${toHex(id)}`;
}

export function measurementItem(environment: string, measurement: Uint8Array): string {
  return `measurement/${environment}/${toHex(measurement)}`;
}

/** Everything that the change from `before` to `after` does, in a stable order. */
export function charterChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  return [
    ...memberChanges(before, after),
    ...witnessChanges(before, after),
    ...operatorChanges(before, after),
    ...environmentChanges(before, after),
    ...keeperChanges(before, after),
    ...otherChanges(before, after),
  ];
}

/** Ids of members that both charters have, with other keys in the second. */
export function rekeyed(before: CharterBody, after: CharterBody): string[] {
  const now = byId(after.members);
  return before.members.flatMap((was) => {
    const is = now.get(was.id);
    if (is === undefined) return [];
    return keysOf(was) === keysOf(is) ? [] : [was.id];
  });
}

/** All of a member but what people read. */
function keysOf({ id: _id, name: _name, ...keys }: Member): string {
  return canonical(keys);
}

/** Ids of members of `before` that `after` does not have. */
export function removedMembers(before: CharterBody, after: CharterBody): string[] {
  const now = byId(after.members);
  return before.members.filter(({ id }) => !now.has(id)).map(({ id }) => id);
}

/** Identity and witness keys that a member of `after` did not have in `before`, in hexadecimal. */
export function newKeys(before: CharterBody, after: CharterBody): string[] {
  const was = byId(before.members);
  return after.members.flatMap(({ id, identity, witness }) => {
    const old = was.get(id);
    const had = old === undefined ? [] : [old.identity, old.witness].map(toHex);
    return [identity, witness].map(toHex).filter((key) => !had.includes(key));
  });
}

/**
 * How an environment of `after` takes more than under the same name in `before`, if one does:
 * whoever wants that names another environment, so that the old one means what owners accepted.
 */
export function widenedEnvironment(before: CharterBody, after: CharterBody): string | undefined {
  const was = byId(before.environments);
  return after.environments.find((environment) => {
    const old = was.get(environment.id);
    return old !== undefined && !narrower(old, environment);
  })?.id;
}

function narrower(was: Environment, now: Environment): boolean {
  return (
    fixed(was) === fixed(now) &&
    within(was.tcb, now.tcb) &&
    within(was.advisories, now.advisories) &&
    within(was.engines, now.engines) &&
    risesOnly(was.evaluation, now.evaluation) &&
    atLeast(was.minimumSvn, now.minimumSvn) &&
    CAGES.indexOf(now.cage) >= CAGES.indexOf(was.cage)
  );
}

/** The terms that stay as long as the environment's name does. */
function fixed(environment: Environment): string {
  const { measurements: _m, ...terms } = environment;
  const rest = Object.entries(terms).filter(([name]) => !LEVELS.includes(name as 'tcb'));
  return canonical(Object.fromEntries(rest));
}

function canonical(value: object): string {
  const kept = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return toHex(encodeCbor(Object.fromEntries(kept) as Cbor));
}

type Accepted = readonly string[] | 'any';

function within(was: Accepted, now: Accepted): boolean {
  if (was === 'any') return true;
  return now !== 'any' && now.every((one) => was.includes(one));
}

/** A higher evaluation number is the maker's stricter word, and the highest is what is used. */
function risesOnly(was: Environment['evaluation'], now: Environment['evaluation']): boolean {
  const most = (of: Environment['evaluation']) => of.most ?? Number.POSITIVE_INFINITY;
  return now.least >= was.least && most(now) >= most(was);
}

function atLeast(was: number | 'any', now: number | 'any'): boolean {
  return was === 'any' || (now !== 'any' && now >= was);
}

function memberChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const was = byId(before.members);
  const added = after.members.filter(({ id }) => !was.has(id));
  return [
    ...added.map(({ id }) => widens(`member ${id} joins`)),
    ...removedMembers(before, after).map((id) => {
      const says = `member ${id} leaves: its data is retired, its approvals and its tasks are void`;
      return { effect: 'narrows', says, quorum: true } as const;
    }),
    ...rekeyed(before, after).map((id) => {
      return { effect: 'neutral', says: `member ${id} has other keys`, quorum: false } as const;
    }),
    ...renamed(before.members, after.members).map((id) => neutral(`member ${id} is renamed`)),
    ...after.members
      .filter((now) => was.has(now.id) && papers(now) !== papers(was.get(now.id) as Member))
      .map(({ id }) => neutral(`member ${id} has other certificates, or keys on other chains`)),
  ];
}

/** What the charter says of a member that no rule uses yet. */
function papers({ chains = [], certificates = [] }: Member): string {
  return toHex(encodeCbor([chains.map(({ chain, key }) => [chain, key]), certificates]));
}

function witnessChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const { faulty, quorum } = before.witnesses;
  const now = after.witnesses;
  if (faulty === now.faulty && quorum === now.quorum) return [];
  const were = `${quorum} of ${before.members.length}, ${faulty} may lie`;
  const says = `witnesses: ${now.quorum} of ${after.members.length} sign, ${now.faulty} may lie`;
  const weaker = now.quorum < quorum || now.faulty < faulty;
  const sentence = `${says} (before: ${were})`;
  if (weaker) return [widens(sentence, WITNESS_RULE)];
  return [{ effect: 'narrows', says: sentence, quorum: true }];
}

function operatorChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const was = byId(before.operators);
  const now = byId(after.operators);
  return [
    ...after.operators.flatMap((operator) => {
      const old = was.get(operator.id);
      const gained = old === undefined || toHex(old.key) !== toHex(operator.key);
      const what = old === undefined ? 'joins' : 'signs with another key';
      return [
        ...(gained ? [widens(`operator ${operator.id} ${what}`, operatorItem(operator.id))] : []),
        ...hardwareChanges(old, operator),
      ];
    }),
    ...before.operators
      .filter(({ id }) => !now.has(id))
      .map(({ id }) => narrows(`operator ${id} leaves, and its machines`)),
    ...renamed(before.operators, after.operators).map((id) => neutral(`operator ${id} is renamed`)),
  ];
}

function hardwareChanges(was: Operator | undefined, now: Operator): CharterChange[] {
  const name = (h: Operator['hardware'][number]) => hardwareItem(now.id, h.tee, h.id);
  const had = new Set(was?.hardware.map(name));
  const has = new Set(now.hardware.map(name));
  const gained = [...has].filter((item) => !had.has(item));
  const lost = [...had].filter((item) => !has.has(item));
  return [
    ...gained.map((item) => widens(`a machine of ${now.id} joins: ${short(item)}`, item)),
    ...lost.map((item) => narrows(`a machine of ${now.id} leaves: ${short(item)}`)),
  ];
}

function environmentChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const was = byId(before.environments);
  const now = byId(after.environments);
  return [
    ...after.environments.flatMap((environment) => {
      const { id } = environment;
      const old = was.get(id);
      if (old !== undefined)
        return [...measurementChanges(old, environment), ...levels(old, environment)];
      const says = `environment ${id} is added: ${environment.role} on ${environment.tee}`;
      const measured = environment.measurements.map(({ measurement: m }) => {
        return widens(`${id} takes measurement ${short(toHex(m))}`, measurementItem(id, m));
      });
      return [widens(says, environmentItem(id)), ...measured];
    }),
    ...before.environments
      .filter(({ id }) => !now.has(id))
      .map(({ id }) => narrows(`environment ${id} is retired`)),
  ];
}

function measurementChanges(was: Environment, now: Environment): CharterChange[] {
  const { id } = now;
  const had = new Map(was.measurements.map((m) => [toHex(m.measurement), m.measurement]));
  const has = new Map(now.measurements.map((m) => [toHex(m.measurement), m.measurement]));
  const gained = [...has].filter(([hex]) => !had.has(hex));
  const lost = [...had].filter(([hex]) => !has.has(hex));
  const told = was.measurements.flatMap(({ measurement, source, recipe }) => {
    const is = now.measurements.find((m) => toHex(m.measurement) === toHex(measurement));
    const same = is === undefined || (is.source === source && is.recipe === recipe);
    if (same) return [];
    const of = `measurement ${short(toHex(measurement))} of ${id}`;
    return [neutral(`${of} is said to come from ${is.source} by ${is.recipe}`)];
  });
  return [
    ...told,
    ...gained.map(([hex, m]) =>
      widens(`${id} takes measurement ${short(hex)}, too`, measurementItem(id, m)),
    ),
    ...lost.map(([hex]) => narrows(`${id} takes measurement ${short(hex)} no more`)),
  ];
}

const LEVELS = ['tcb', 'advisories', 'minimumSvn', 'evaluation', 'engines', 'cage'] as const;

function levels(was: Environment, now: Environment): CharterChange[] {
  const changed = LEVELS.filter((key) => JSON.stringify(was[key]) !== JSON.stringify(now[key]));
  if (changed.length === 0 && fixed(was) === fixed(now)) return [];
  const says = `${now.id} asks for other levels: ${changed.join(', ') || 'other terms'}`;
  return [narrower(was, now) ? narrows(says) : widens(says, environmentItem(now.id))];
}

function keeperChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const { seats: n, threshold: t, vendors: v } = before.keepers;
  const now = after.keepers;
  const spares = spareChanges(before, after);
  if (n === now.seats && t === now.threshold && v === now.vendors) return spares;
  const says =
    `keepers: ${now.threshold} of ${now.seats} open, vendor rule ${now.vendors}, ` +
    `from the next epoch on (before: ${t} of ${n}, vendor rule ${v})`;
  const weaker = now.threshold < t || now.vendors < v || now.seats > n;
  return [weaker ? widens(says, KEEPERS_RULE) : narrows(says), ...spares];
}

/** A spare's keeper may take a seat that members have not agreed to. */
function spareChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const [was, now] = [before.keepers.spares, after.keepers.spares];
  const gained = now.filter((id) => !was.includes(id));
  const lost = was.filter((id) => !now.includes(id));
  return [
    ...gained.map((id) => widens(`a keeper of ${id} may replace one by itself`, KEEPERS_RULE)),
    ...lost.map((id) => narrows(`a keeper of ${id} replaces none without consent any more`)),
  ];
}

function otherChanges(before: CharterBody, after: CharterBody): CharterChange[] {
  const found: CharterChange[] = [];
  const times = (c: CharterBody) => Object.entries(c.deadlines).sort().join(' ');
  if (times(before) !== times(after)) found.push(neutral('deadlines change'));
  if (before.name !== after.name) found.push(neutral(`the tenancy is called ${after.name}`));
  if (before.fold !== after.fold) {
    const says = `the fold's rules are those of version ${after.fold}`;
    found.push(widens(says, FOLD_RULES));
  }
  if (before.simulated !== after.simulated) {
    if (after.simulated) found.push(widens('simulated hardware is accepted: it protects nothing'));
    else found.push(narrows('simulated hardware is accepted no more'));
  }
  return found;
}

function byId<T extends { readonly id: string }>(list: readonly T[]): Map<string, T> {
  return new Map(list.map((one) => [one.id, one]));
}

function renamed(
  before: readonly { readonly id: string; readonly name: string }[],
  after: readonly { readonly id: string; readonly name: string }[],
): string[] {
  const was = byId(before);
  return after
    .filter(({ id, name }) => was.has(id) && was.get(id)?.name !== name)
    .map(({ id }) => id);
}

function widens(says: string, gains?: string): CharterChange {
  return { effect: 'widens', says, quorum: true, ...(gains === undefined ? {} : { gains }) };
}

function narrows(says: string): CharterChange {
  return { effect: 'narrows', says, quorum: false };
}

function neutral(says: string): CharterChange {
  return { effect: 'neutral', says, quorum: true };
}

/** The end of an item's name in so many characters that people can tell it from others. */
function short(item: string): string {
  const last = item.split('/').slice(-2).join(' ');
  return last.length > 40 ? `${last.slice(0, 40)}...` : last;
}
