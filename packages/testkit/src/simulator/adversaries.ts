// SPDX-License-Identifier: Apache-2.0
// One more attacker in a seed, beside those that every seed may have.
import type { AnyEvent, EventKind } from '@cloister/contract';

/** What a gateway of each kind says "accepted" to and drops. */
const DROPPED = {
  'drops-ceremony': ['commit', 'reveal', 'ack', 'complaint', 'epoch-abort'],
  'drops-keeper-join': ['join'],
  'drops-worker-events': ['join', 'usage', 'released', 'run-failed'],
} as const satisfies Readonly<Record<string, readonly EventKind[]>>;

export type Dropper = keyof typeof DROPPED;

/** Keepers that withhold, or carry what a worker sent them to the others. */
export const BAD_KEEPERS = ['withholds-deals', 'withholds-evidence', 'forwards-requests'] as const;
export type BadKeeper = (typeof BAD_KEEPERS)[number];

/**
 * A gateway that answers blobs without end, of other bytes; never; keeps none that it took; or says
 * that it is another member's and takes nothing.
 */
export const BLOB_HARMS = ['floods-blobs', 'hangs-blobs', 'loses-blobs', 'impersonates'] as const;
export type BlobHarm = (typeof BLOB_HARMS)[number];

export const CARRIERS = ['old-parts', 'future-parts', 'stranger-parts', 'withheld-part'] as const;

export const ADVERSARIES = [
  'drops-ceremony',
  'drops-keeper-join',
  'drops-worker-events',
  // A gateway that is first in every node's list and shows old heads, truly cosigned.
  'stale-first',
  // Likewise first: all that it says is true, and takes its time.
  'answers-slowly',
  ...BLOB_HARMS,
  ...BAD_KEEPERS,
  // A member that carries a maker's collateral: old, early, half of it, another maker's.
  ...CARRIERS,
  // A network that sends again what a worker asked a keeper.
  'repeats-requests',
  // A witness that ticks once far in the future, in a charter that counts on no faulty one.
  'future-tick',
  // A member that says again and again that the ledger is over.
  'closes-alone',
  // A member that proposes charters: a program more, the owner gone, the owner's keys its own.
  'amends-alone',
  // A member that names seats for the running key by itself.
  'moves-key',
  // A member that proposes epochs without end.
  'rubbish-epochs',
  // A member that consents to a keeper whose evidence nobody has.
  'consents-blindly',
  // A member that gives one seat after another to a spare.
  'spare-chain',
  // A quorum that widens the charter, and a worker there that wants the data of who did not agree.
  'widens-over-owner',
  // A member or an operator that has left and goes on.
  'goes-on',
  // A member that keeps amendments and signatures back until they mean something else.
  'replays-signatures',
  // A gateway that shows what witness keys sign which a handover has retired.
  'retired-witnesses',
  // A member that names the keys of each node before that one can.
  'squats-keys',
] as const satisfies readonly (Dropper | BadKeeper | string)[];
export type Adversary = (typeof ADVERSARIES)[number];

export function isDropper(adversary: Adversary | undefined): adversary is Dropper {
  return adversary !== undefined && Object.hasOwn(DROPPED, adversary);
}

export function isBadKeeper(adversary: Adversary | undefined): adversary is BadKeeper {
  return (BAD_KEEPERS as readonly (string | undefined)[]).includes(adversary);
}

export function isBlobHarm(adversary: Adversary | undefined): adversary is BlobHarm {
  return (BLOB_HARMS as readonly (string | undefined)[]).includes(adversary);
}

/** Whether this gateway drops the event: a join is dropped by the role that it names. */
export function drops(adversary: Dropper, event: AnyEvent): boolean {
  if (!(DROPPED[adversary] as readonly EventKind[]).includes(event.kind)) return false;
  if (event.kind !== 'join') return true;
  return event.body.role === (adversary === 'drops-keeper-join' ? 'keeper' : 'worker');
}
