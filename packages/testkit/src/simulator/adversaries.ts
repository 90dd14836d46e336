// SPDX-License-Identifier: Apache-2.0
// One more attacker in a seed, chosen by name, beside those that every seed may have. `NORMAL` play
// in ordinary seeds, as the code withstands them; the others open a known hole (known-holes.ts) and
// play only when they are called for.
import type { AnyEvent, EventKind } from '@cloister/contract';

/** What a gateway of each kind says "accepted" to and drops. */
const DROPPED = {
  'drops-ceremony': ['commit', 'reveal', 'ack', 'complaint', 'epoch-abort'],
  'drops-keeper-join': ['join'],
  'drops-worker-events': ['join', 'usage', 'released', 'run-failed'],
} as const satisfies Readonly<Record<string, readonly EventKind[]>>;

type Dropper = keyof typeof DROPPED;
export type Adversary = Dropper;

export const NORMAL: readonly Adversary[] = ['drops-worker-events'];

export function isDropper(adversary: Adversary | undefined): adversary is Dropper {
  return adversary !== undefined && Object.hasOwn(DROPPED, adversary);
}

/** Whether this gateway drops the event: a join is dropped by the role that it names. */
export function drops(adversary: Dropper, event: AnyEvent): boolean {
  if (!(DROPPED[adversary] as readonly EventKind[]).includes(event.kind)) return false;
  if (event.kind !== 'join') return true;
  return event.body.role === (adversary === 'drops-keeper-join' ? 'keeper' : 'worker');
}
