// SPDX-License-Identifier: Apache-2.0
// Holes that the simulator finds and the code still has. Each is an expected failure: its attacker
// plays only when the hole is hunted, a test holds that it is found, and whoever closes it takes it
// from this list and moves its attacker to those of ordinary seeds (`NORMAL` in adversaries.ts).
import type { Adversary } from './adversaries.ts';

export interface Hole {
  readonly name: string;
  /** Who opens it. */
  readonly adversary: Adversary;
  /** What the checker says of it. */
  readonly sees: RegExp;
  readonly why: string;
  readonly closedBy: string;
}

export const KNOWN_HOLES: readonly Hole[] = [
  {
    name: 'an old head pins a node',
    adversary: 'stale-first',
    sees: /is held at \d+ of \d+ entries|an honest keeper was excluded/,
    why: 'a follower asks the gateway that answered last first, and content with it asks no other',
    closedBy: 'a follower that asks several members at once and takes the highest cosigned head',
  },
];

/** Each is found in these seeds. */
export const HOLE_SEEDS = { from: 1, count: 12 } as const;
