// SPDX-License-Identifier: Apache-2.0
// Collateral (TCB info, CRLs) published by this member: the bundle as a blob, its number and digest
// as an event. Keepers use the newest only, and its numbers never go back.
import { CodedError } from '@cloister/core';
import { decodeCollateral } from '@cloister/evidence';
import { type Gateway, publishAccepted } from '../context.ts';
import type { EntryRecord } from '../ledger/follower.ts';

/** Parses, stores and publishes one bundle. @throws CodedError the evidence codes, `event-void` */
export async function publishCollateral(gateway: Gateway, bytes: Uint8Array): Promise<EntryRecord> {
  if (bytes.length === 0)
    throw new CodedError('collateral-malformed', 'malformed', 'an empty bundle');
  const { kind, subject, number } = decodeCollateral(bytes);
  const digest = await gateway.blobs.put(bytes);
  return publishAccepted(gateway, 'collateral', { tee: kind, subject, number, digest });
}
