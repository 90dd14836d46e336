// SPDX-License-Identifier: Apache-2.0
// What an amendment would do as the ledger stands, for people before they sign: seats that lose
// their place, a key that is lost by it, data that is retired, owners whom its gains do not reach.
// Nothing is decided by it.
import type { CharterBody } from '../charter/body.ts';
import { charterChanges, removedMembers } from '../charter/changes.ts';
import { activeEpochOf, charterOf } from './lookup.ts';
import { judgeStanding } from './places.ts';
import type { FoldState, Join } from './state.ts';

export interface AmendmentEffects {
  /** Seats of the active epoch for which the next charter has no place. */
  readonly lost: readonly { readonly seat: number; readonly operator: string }[];
  readonly seats: number;
  readonly threshold: number;
  /** Whether fewer seats are left than open together. */
  readonly keyLost: boolean;
  /** Members whose datasets are retired. */
  readonly retired: readonly string[];
  /** Owners of data under the active key: what is gained touches it only when they have signed. */
  readonly owners: readonly string[];
  /** Whether anything is gained that an owner has to accept. */
  readonly gains: boolean;
}

export function amendmentEffects(
  state: FoldState,
  after: CharterBody,
  replaces: readonly string[] = [],
): AmendmentEffects {
  const before = charterOf(state);
  const active = activeEpochOf(state);
  const then: FoldState = { ...state, charter: after };
  const lost = (active?.epoch.joins ?? []).flatMap((key, i) => {
    const { body } = state.joins.get(key) as Join;
    const gone = judgeStanding(then, body) !== undefined;
    return gone ? [{ seat: i + 1, operator: body.operator }] : [];
  });
  const seats = active?.epoch.joins.length ?? 0;
  const threshold = active?.epoch.threshold ?? 0;
  const leaving = [...removedMembers(before, after), ...replaces];
  const owning = new Set([...state.datasets.values()].map(({ owner }) => owner));
  return {
    lost,
    seats,
    threshold,
    keyLost: active !== undefined && seats - lost.length < threshold,
    retired: leaving.filter((id) => owning.has(id)),
    owners: [...new Set(state.keyOwners.map(({ owner }) => owner))].sort(),
    gains: charterChanges(before, after).some(({ gains }) => gains !== undefined),
  };
}
