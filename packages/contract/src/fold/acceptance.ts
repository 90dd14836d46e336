// SPDX-License-Identifier: Apache-2.0
// Whether an owner has agreed to what would touch its data. Others may widen the charter; what it
// gained is named (charter/changes.ts) with the version that brought it, and an owner has accepted
// the versions up to the newest that it has signed. So a place that was there all along, or that an
// owner signed for, is good for its data; one that came later, or came back, is not.
// docs/design/charters-that-live.md.
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

/** The first item of a node's place that this owner has not accepted (`accepted`: by then). */
export function placeNotAccepted(
  state: FoldState,
  owner: string,
  node: Place,
  accepted?: number,
): string | undefined {
  const { operator, environment, hardware, measurement } = node;
  const tee = indexOf(state).environments.get(environment)?.tee ?? '';
  const items = [
    operatorItem(operator),
    environmentItem(environment),
    measurementItem(environment, measurement),
    hardwareItem(operator, tee, hardware),
  ];
  return itemNotAccepted(state, owner, items, accepted);
}

/** As `placeNotAccepted`, of the nodes that these joins let in. */
export function joinsNotAccepted(
  state: FoldState,
  owner: string,
  joins: readonly string[],
  accepted?: number,
): string | undefined {
  for (const key of joins) {
    const body = state.joins.get(key)?.body;
    const item = body === undefined ? undefined : placeNotAccepted(state, owner, body, accepted);
    if (item !== undefined) return item;
  }
  return undefined;
}

/** What of an epoch made under the charter in force this owner has not accepted. */
export function epochNotAccepted(
  state: FoldState,
  owner: string,
  epoch: Pick<Epoch, 'joins'>,
  accepted?: number,
): string | undefined {
  const rules = itemNotAccepted(state, owner, [KEEPERS_RULE, FOLD_RULES], accepted);
  return rules ?? joinsNotAccepted(state, owner, epoch.joins, accepted);
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
 * The first of those whose data is sealed to the running key that has not accepted what it would
 * be dealt to, and what of it. Withdrawn data counts, and that of members who have left or whose
 * keys were replaced, by what they had accepted then: nothing opens it by right any more, and t
 * seats of its key still could.
 */
export function keyOwnerAgainst(
  state: FoldState,
  epoch: Pick<Epoch, 'joins'>,
): { owner: string; item: string } | undefined {
  for (const { owner, accepted } of state.keyOwners) {
    const item = epochNotAccepted(state, owner, epoch, accepted ?? undefined);
    if (item !== undefined) return { owner, item };
  }
  return undefined;
}

/** Called when a dataset is sealed to the running key. */
export function addKeyOwner(state: FoldState, owner: string): void {
  const living = state.keyOwners.filter(({ accepted }) => accepted === null);
  if (living.some((one) => one.owner === owner)) return;
  state.keyOwners.push({ owner, accepted: null });
}

/** Called when a member leaves, or its keys are replaced, before anybody accepts in its name. */
export function freezeKeyOwner(state: FoldState, owner: string): void {
  const accepted = state.accepted.get(owner) ?? 0;
  for (const one of state.keyOwners) {
    if (one.owner === owner) one.accepted ??= accepted;
  }
}

function itemNotAccepted(
  state: FoldState,
  owner: string,
  items: readonly string[],
  accepted = state.accepted.get(owner) ?? 0,
): string | undefined {
  return items.find((item) => (state.gained.get(item) ?? 1) > accepted);
}
