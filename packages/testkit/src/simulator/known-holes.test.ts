// SPDX-License-Identifier: Apache-2.0
// Every known hole is found by its attacker, in few seeds, and is not there without him. When a
// test here fails because a hole is closed: take it from the list, and let its attacker play in
// ordinary seeds.
import { describe, expect, it } from 'vitest';
import { NORMAL } from './adversaries.ts';
import { firstSeed } from './hunting.ts';
import { HOLE_SEEDS, KNOWN_HOLES } from './known-holes.ts';
import { simulate } from './simulate.ts';

describe.each(KNOWN_HOLES)('$name', (hole) => {
  it('is found, and not without its attacker', async () => {
    const found = await firstSeed(hole, HOLE_SEEDS.from, HOLE_SEEDS.count);
    expect(found, 'closed? then remove it from known-holes.ts').toBeDefined();
    expect((await simulate(found?.seed ?? 0)).violations).toEqual([]);
  }, 60_000);

  it('has an attacker of its own, who does not play in ordinary seeds', () => {
    expect(NORMAL).not.toContain(hole.adversary);
  });
});
