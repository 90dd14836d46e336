// SPDX-License-Identifier: Apache-2.0
// What makers of hardware sign (TCB info, identities, CRLs, intermediates), put on the ledger by
// this member: each part an event of its own. Parts that the ledger has, or newer ones, are left
// out, so the same files can be sent every day by every member.
import type { CollateralAdded } from '@cloister/api';
import { hasPart } from '@cloister/contract';
import { type CollateralPart, partsFromFiles, verifyPart } from '@cloister/evidence';
import { type Gateway, publishAccepted, stateInForce } from '../context.ts';

/**
 * Splits what a maker serves into parts, and publishes those that are new.
 * @throws CodedError the evidence codes, `event-void`: the first, when all have been tried
 */
export async function publishCollateral(
  gateway: Gateway,
  bytes: Uint8Array,
): Promise<CollateralAdded> {
  const state = stateInForce(gateway);
  const parts = partsFromFiles([{ name: 'what was sent', bytes }]);
  const facts = await Promise.all(parts.map((part) => verifyPart(part, gateway.crypto)));
  const fresh = parts.filter((_, i) => !hasPart(state, facts[i] as (typeof facts)[number]));
  const published = await Promise.allSettled(fresh.map((part) => publishPart(gateway, part)));
  const failed = published.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const added = published.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  return { added, known: parts.length - fresh.length };
}

async function publishPart(
  gateway: Gateway,
  part: CollateralPart,
): Promise<CollateralAdded['added'][number]> {
  const { seq, event } = await publishAccepted(gateway, 'collateral', { ...part });
  if (event?.kind !== 'collateral' || event.made === undefined) {
    throw new Error('assertion failed: an accepted part was read');
  }
  const { subject, evaluation, issued, until } = event.made;
  return { seq, part: part.part, subject, evaluation, issued, until };
}
