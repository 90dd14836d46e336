// SPDX-License-Identifier: Apache-2.0
// Whether an owner has agreed to what would touch its data. Others may widen the charter; what it
// gained is named (charter/changes.ts) with the version that brought it, and an owner has accepted
// the versions up to the newest that it has signed. So a place that was there all along, or that an
// owner signed for, is good for its data; one that came later, or came back, is not.
// docs/design/charters-that-live.md.
import { toHex } from '@cloister/core';
import {
  environmentItem,
  FOLD_RULES,
  hardwareItem,
  KEEPERS_RULE,
  measurementItem,
  operatorItem,
  WITNESS_RULE,
} from '../charter/changes.ts';
import type { EventBody } from '../events/bodies.ts';
import { activeEpochOf, indexOf } from './lookup.ts';
import type { Epoch, FoldState } from './state.ts';

type Place = Pick<EventBody<'join'>, 'operator' | 'environment' | 'hardware' | 'measurement'>;

/** The first item of a node's place that this owner has not accepted. */
export function placeNotAccepted(state: FoldState, owner: string, node: Place): string | undefined {
  const { operator, environment, hardware, measurement } = node;
  const tee = indexOf(state).environments.get(environment)?.tee ?? '';
  return itemNotAccepted(state, owner, [
    operatorItem(operator),
    environmentItem(environment),
    measurementItem(environment, measurement),
    hardwareItem(operator, tee, hardware),
  ]);
}

/** As `placeNotAccepted`, of the nodes that these joins let in. */
export function joinsNotAccepted(
  state: FoldState,
  owner: string,
  joins: readonly string[],
): string | undefined {
  for (const key of joins) {
    const join = state.joins.get(key);
    const item = join === undefined ? undefined : placeNotAccepted(state, owner, join.body);
    if (item !== undefined) return item;
  }
  return undefined;
}

/** What of an epoch made under the charter in force this owner has not accepted. */
export function epochNotAccepted(
  state: FoldState,
  owner: string,
  epoch: Pick<Epoch, 'joins'>,
): string | undefined {
  const rules = itemNotAccepted(state, owner, [KEEPERS_RULE, FOLD_RULES]);
  return rules ?? joinsNotAccepted(state, owner, epoch.joins);
}

/** What stands between a run's nodes and this owner's columns: nodes, seats, or rules. */
export function runNotAccepted(
  state: FoldState,
  owner: string,
  nodes: readonly Place[],
): string | undefined {
  const rules = itemNotAccepted(state, owner, [WITNESS_RULE, FOLD_RULES]);
  if (rules !== undefined) return rules;
  for (const node of nodes) {
    const item = placeNotAccepted(state, owner, node);
    if (item !== undefined) return item;
  }
  return joinsNotAccepted(state, owner, activeEpochOf(state)?.epoch.joins ?? []);
}

/**
 * Owners whose data is sealed to this group key, withdrawn data and that of members who have left
 * included: nothing opens it by right any more, and t seats of its key still could.
 */
export function ownersOfKey(state: FoldState, groupKey: Uint8Array): string[] {
  const key = toHex(groupKey);
  const owners = [...state.datasets.values()]
    .filter(({ versions }) => [...versions.values()].some((v) => toHex(v.body.groupKey) === key))
    .map(({ owner }) => owner);
  return [...new Set(owners)].sort();
}

function itemNotAccepted(
  state: FoldState,
  owner: string,
  items: readonly string[],
): string | undefined {
  const accepted = state.accepted.get(owner) ?? 0;
  return items.find((item) => (state.gained.get(item) ?? 1) > accepted);
}
