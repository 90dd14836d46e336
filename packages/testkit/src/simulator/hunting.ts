// SPDX-License-Identifier: Apache-2.0
// Looks for the first seed in which a known hole shows itself.
import type { Hole } from './known-holes.ts';
import { simulate } from './simulate.ts';

export interface Found {
  readonly seed: number;
  readonly violation: string;
}

/** @throws Error when its attacker makes the checker say something else: that is a new hole */
export async function firstSeed(
  hole: Hole,
  from: number,
  count: number,
): Promise<Found | undefined> {
  for (let seed = from; seed < from + count; seed++) {
    const { violations } = await simulate(seed, undefined, hole.adversary);
    const violation = violations.find((what) => hole.sees.test(what));
    if (violation !== undefined) return { seed, violation };
    if (violations.length > 0) throw new Error(`seed ${seed}, ${hole.name}: ${violations[0]}`);
  }
  return undefined;
}
