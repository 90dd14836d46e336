// SPDX-License-Identifier: Apache-2.0
// Who a key belongs to under the charter in force. Indexes are built once for each charter body and
// thrown away with it; they are no part of the state.
import { toHex } from '@cloister/core';
import type { CharterBody, Environment, Member, Operator } from '../charter/body.ts';
import type { FoldState, Join } from './state.ts';

interface CharterIndex {
  readonly members: ReadonlyMap<string, Member>;
  readonly identities: ReadonlyMap<string, Member>;
  readonly witnesses: ReadonlyMap<string, Member>;
  readonly operators: ReadonlyMap<string, Operator>;
  readonly environments: ReadonlyMap<string, Environment>;
  /** Every key of members and operators. */
  readonly keys: ReadonlySet<string>;
}

const indexes = new WeakMap<CharterBody, CharterIndex>();

export function charterIndex(charter: CharterBody): CharterIndex {
  const known = indexes.get(charter);
  if (known !== undefined) return known;
  const { members, operators, environments } = charter;
  const index: CharterIndex = {
    members: new Map(members.map((m) => [m.id, m])),
    identities: new Map(members.map((m) => [toHex(m.identity), m])),
    witnesses: new Map(members.map((m) => [toHex(m.witness), m])),
    operators: new Map(operators.map((o) => [o.id, o])),
    environments: new Map(environments.map((e) => [e.id, e])),
    keys: new Set([
      ...members.flatMap((m) => [m.identity, m.witness, m.hpke].map(toHex)),
      ...operators.map((o) => toHex(o.key)),
    ]),
  };
  indexes.set(charter, index);
  return index;
}

/** The charter in force; callers run only once the log is founded. */
export function charterOf(state: FoldState): CharterBody {
  if (state.charter === null) throw new Error('assertion failed: a charter is in force');
  return state.charter;
}

export function indexOf(state: FoldState): CharterIndex {
  return charterIndex(charterOf(state));
}

/** The current member whose identity key this is. */
export function memberByIdentity(state: FoldState, key: Uint8Array): Member | undefined {
  return indexOf(state).identities.get(toHex(key));
}

export function isMember(state: FoldState, id: string): boolean {
  return indexOf(state).members.has(id);
}

/** The accepted join whose node signs with this key. */
export function joinBySigner(
  state: FoldState,
  key: Uint8Array,
): { key: string; join: Join } | undefined {
  const joinKey = state.nodeKeys.get(toHex(key));
  const join = joinKey === undefined ? undefined : state.joins.get(joinKey);
  if (join === undefined || joinKey === undefined || toHex(join.signer) !== toHex(key)) {
    return undefined;
  }
  return { key: joinKey, join };
}

/** Key of a dataset version in the fold's tables. */
export function versionKey(of: { dataset: Uint8Array; version: number }): string {
  return `${toHex(of.dataset)}/${of.version}`;
}
