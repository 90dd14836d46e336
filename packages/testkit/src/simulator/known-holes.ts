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
    name: 'a dropped step excludes its keeper',
    adversary: 'drops-ceremony',
    sees: /an honest keeper was excluded: deadline/,
    why: 'a keeper takes a gateway’s word that its commit, reveal or acknowledgement is appended',
    closedBy: 'one append for keepers and workers, which counts what the node’s own fold has',
  },
  {
    name: 'a dropped join keeps a keeper out',
    adversary: 'drops-keeper-join',
    sees: /an honest keeper never joined/,
    why: 'a keeper takes a gateway’s word that its join is appended, and asks no other',
    closedBy: 'one append for keepers and workers, which counts what the node’s own fold has',
  },
];

/** Each is found in these seeds. */
export const HOLE_SEEDS = { from: 1, count: 12 } as const;
