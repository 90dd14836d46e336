// SPDX-License-Identifier: Apache-2.0
// Collateral (TCB info, CRLs) published by this member: the bundle as a blob, its number and digest
// as an event. Keepers use the newest only, and its numbers never go back.
import { decodeCollateral, evidenceError } from '@cloister/evidence';
import { type Gateway, publishAccepted } from '../context.ts';
import type { EntryRecord } from '../ledger/follower.ts';

/** Parses, stores and publishes one bundle. @throws CodedError the evidence codes, `event-void` */
export async function publishCollateral(gateway: Gateway, bytes: Uint8Array): Promise<EntryRecord> {
  if (bytes.length === 0) throw evidenceError('collateral-malformed', 'an empty bundle');
  const { kind, subject, number } = decodeCollateral(bytes);
  const digest = await gateway.blobs.put(bytes);
  return publishAccepted(gateway, 'collateral', { tee: kind, subject, number, digest });
}
