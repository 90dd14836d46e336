// SPDX-License-Identifier: Apache-2.0
// Readers: who and what a charter names, whose key is whose, and what the state has of datasets,
// joins and epochs. Everybody asks here, so that one question has one answer. Indexes are built
// once for each charter body and thrown away with it; they are no part of the state.
import { toHex } from '@cloister/core';
import type { CharterBody, Environment, Member, Operator } from '../charter/body.ts';
import type { Input } from '../shapes.ts';
import type { DatasetVersion, Epoch, FoldState, Join } from './state.ts';

interface CharterIndex {
  readonly members: ReadonlyMap<string, Member>;
  readonly identities: ReadonlyMap<string, Member>;
  readonly witnesses: ReadonlyMap<string, Member>;
  readonly operators: ReadonlyMap<string, Operator>;
  readonly operatorKeys: ReadonlyMap<string, Operator>;
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
    operatorKeys: new Map(operators.map((o) => [toHex(o.key), o])),
    environments: new Map(environments.map((e) => [e.id, e])),
    keys: new Set([
      ...members.flatMap((m) => [m.identity, m.witness, m.hpke].map(toHex)),
      ...operators.map((o) => toHex(o.key)),
    ]),
  };
  indexes.set(charter, index);
  return index;
}

/** The member that a charter lists under this id. */
export function memberById(charter: CharterBody, id: string): Member | undefined {
  return charterIndex(charter).members.get(id);
}

/** The member of a charter who signs with this key, as itself or as witness. */
export function memberByKey(charter: CharterBody, key: Uint8Array): Member | undefined {
  const { identities, witnesses } = charterIndex(charter);
  return identities.get(toHex(key)) ?? witnesses.get(toHex(key));
}

/** The operator that a charter lists under this id. */
export function operatorById(charter: CharterBody, id: string): Operator | undefined {
  return charterIndex(charter).operators.get(id);
}

/** The operator of a charter who signs with this key. */
export function operatorByKey(charter: CharterBody, key: Uint8Array): Operator | undefined {
  return charterIndex(charter).operatorKeys.get(toHex(key));
}

/** The environment that a charter lists under this id. */
export function environmentById(charter: CharterBody, id: string): Environment | undefined {
  return charterIndex(charter).environments.get(id);
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

/** The newest event of a dataset version; inputs of accepted tasks always have one. */
export function versionOf(
  state: FoldState,
  of: { dataset: Uint8Array; version: number },
): DatasetVersion | undefined {
  return state.datasets.get(toHex(of.dataset))?.versions.get(of.version);
}

/** The member whose dataset this is; inputs of accepted tasks always have one. */
export function ownerOf(state: FoldState, of: { dataset: Uint8Array }): string | undefined {
  return state.datasets.get(toHex(of.dataset))?.owner;
}

/** Those of a task's inputs whose datasets are `owner`'s. */
export function inputsOwnedBy(
  state: FoldState,
  task: { readonly body: { readonly inputs: readonly Input[] } },
  owner: string,
): Input[] {
  return task.body.inputs.filter((input) => ownerOf(state, input) === owner);
}

/** The attempt at a key that began last, whatever became of it. */
export function newestEpochOf(state: FoldState): { key: string; epoch: Epoch } | undefined {
  let newest: { key: string; epoch: Epoch } | undefined;
  for (const [key, epoch] of state.epochs) {
    if (newest === undefined || newest.epoch.seq < epoch.seq) newest = { key, epoch };
  }
  return newest;
}

/** The epoch whose keepers hold the group key, under its id; none before the first is active. */
export function activeEpochOf(
  state: FoldState,
): { key: string; epoch: Epoch; groupKey: Uint8Array } | undefined {
  const { activeEpoch: key } = state;
  const epoch = key === null ? undefined : state.epochs.get(key);
  if (key === null || epoch === undefined || epoch.groupKey === null) return undefined;
  return { key, epoch, groupKey: epoch.groupKey };
}
