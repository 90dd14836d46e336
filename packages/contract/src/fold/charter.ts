// SPDX-License-Identifier: Apache-2.0
// Charters. The first is in force, and founds the genesis, when every member that it names has
// signed the same payload. spec/events.md, "charter".
import { equal, toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import { charterIndex } from './lookup.ts';
import type { FoldState } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** A charter can have this many drafts under signature; the oldest is forgotten for a new one. */
const MAX_PENDING = 64;

export function foldCharter(state: FoldState, event: AdmittedEvent<'charter'>): Verdict {
  if (state.charter !== null) {
    const got = `got version ${event.body.version}, in force is ${state.charter.version}`;
    return voided('charter-in-force', got);
  }
  if (event.body.version !== 1 || event.founds === undefined) {
    return voided('charter-version', `got version ${event.body.version}, wanted 1`);
  }
  const signer = charterIndex(event.body).identities.get(toHex(event.signer));
  if (signer === undefined) return voided('charter-not-a-founder');
  const digest = toHex(event.founds);
  const pending = state.pendingCharters.get(digest) ?? { body: event.body, signed: new Set() };
  if (pending.signed.has(signer.id)) return voided('charter-already-signed', signer.id);
  pending.signed.add(signer.id);
  state.pendingCharters.set(digest, pending);
  if (pending.signed.size === event.body.members.length) {
    state.charter = pending.body;
    state.genesis = event.founds;
    state.pendingCharters.clear();
  } else if (state.pendingCharters.size > MAX_PENDING) {
    const oldest = state.pendingCharters.keys().next().value;
    if (oldest !== undefined) state.pendingCharters.delete(oldest);
  }
  return undefined;
}

/** Whether an event is under the genesis in force. */
export function underGenesis(state: FoldState, genesis: Uint8Array | null): boolean {
  return state.genesis !== null && genesis !== null && equal(state.genesis, genesis);
}
