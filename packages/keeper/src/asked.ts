// SPDX-License-Identifier: Apache-2.0
// Who may ask a keeper for what, before anything is judged. spec/keeper-api.md.
import type { Asked } from '@cloister/api';
import { type FoldState, type Rights, rightsOfJoin, voidError } from '@cloister/contract';
import { equal, toHex } from '@cloister/core';
import { keeperError } from './errors.ts';

/** A keeper, as far as its requests go. */
interface Receiver {
  /** Id of its join, once that is accepted. */
  readonly join: Uint8Array | undefined;
  /** The signing key of the join by this id. */
  signerOfJoin(join: Uint8Array): Promise<Uint8Array>;
}

/**
 * Whether a request is for this keeper, and signed by the join that it is about: a copy that goes
 * to another is nothing there.
 * @throws CodedError `open-other-keeper`, `open-other-key`, `join-unknown`
 */
export async function assertAsked(
  of: Receiver,
  { join, keeper }: Asked,
  caller: Uint8Array,
): Promise<void> {
  if (of.join === undefined || !equal(keeper, of.join)) {
    const short = (id?: Uint8Array) => (id === undefined ? 'none' : toHex(id).slice(0, 16));
    const got = `got ${short(keeper)}, wanted ${short(of.join)}`;
    throw keeperError('open-other-keeper', `the request names another keeper: ${got}`);
  }
  if (equal(caller, await of.signerOfJoin(join))) return;
  const message = 'the request is signed by another key than the one in the join that it names';
  throw keeperError('open-other-key', message);
}

/**
 * Operator and rights of a join for which challenges are drawn: a worker's, whose run is not over.
 * @throws CodedError `join-not-worker`, `run-ended`
 */
export function mayDraw(state: FoldState, join: string): { operator: string; rights: Rights } {
  const { role, operator } = state.joins.get(join)?.body ?? {};
  if (role !== 'worker' || operator === undefined) {
    throw voidError('join-not-worker', 'columns open for workers only');
  }
  const rights = rightsOfJoin(state, join);
  if (!rights.ok && rights.code === 'run-ended') throw voidError(rights.code, rights.sentence);
  return { operator, rights };
}
