// SPDX-License-Identifier: Apache-2.0
// Charters. A ledger is founded by the one charter that its genesis names, once every member that
// it names has signed. spec/events.md, "charter".
import { equal, toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import { charterIndex } from './lookup.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

export function foldCharter(state: FoldState, event: AdmittedEvent<'charter'>): Verdict {
  const { founds } = event;
  if (event.body.version === 1 && founds !== undefined && !equal(founds, state.genesis)) {
    return voided('wrong-genesis', `founds ${toHex(founds).slice(0, 16)}`);
  }
  if (state.charter !== null) {
    const got = `got version ${event.body.version}, in force is ${state.charter.version}`;
    return voided('charter-in-force', got);
  }
  if (event.body.version !== 1 || founds === undefined) {
    return voided('charter-version', `got version ${event.body.version}, wanted 1`);
  }
  const signer = charterIndex(event.body).identities.get(toHex(event.signer));
  if (signer === undefined) return voided('charter-not-a-founder');
  if (state.founders.has(signer.id)) return voided('charter-already-signed', signer.id);
  state.founders.add(signer.id);
  if (state.founders.size < event.body.members.length) return undefined;
  state.charter = event.body;
  state.charterDigest = event.charterDigest ?? null;
  state.charterSeqs.push(state.seq);
  for (const { id } of event.body.members) state.accepted.set(id, event.body.version);
  return undefined;
}

/** The version of the fold's rules that this release knows. */
export const FOLD_VERSION = 1;

/** Whether the charter in force asks for rules that this release does not know. */
export function foldUnknown(state: FoldState): boolean {
  return state.charter !== null && state.charter.fold !== FOLD_VERSION;
}

/** Whether an event is under the ledger's genesis. */
export function underGenesis(state: FoldState, genesis: Uint8Array | null): boolean {
  return genesis !== null && equal(state.genesis, genesis);
}
