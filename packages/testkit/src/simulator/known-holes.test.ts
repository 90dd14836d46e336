// SPDX-License-Identifier: Apache-2.0
// Every known hole is found by its attacker, in few seeds, and is not there without him. When a
// test here fails because a hole is closed: take it from the list, and let its attacker play in
// ordinary seeds.
import { expect, it } from 'vitest';
import { ADVERSARIES, NORMAL } from './adversaries.ts';
import { firstSeed } from './hunting.ts';
import { HOLE_SEEDS, KNOWN_HOLES } from './known-holes.ts';
import { simulate } from './simulate.ts';

const LIMIT_MS = 60_000;
const plain = new Map<number, Promise<readonly string[]>>();

/** What a seed shows without any attacker who was called for. */
function without(seed: number): Promise<readonly string[]> {
  const known = plain.get(seed) ?? simulate(seed).then(({ violations }) => violations);
  plain.set(seed, known);
  return known;
}

it.each(KNOWN_HOLES)(
  '$name: found, and not without its attacker',
  async (hole) => {
    const found = await firstSeed(hole, HOLE_SEEDS.from, HOLE_SEEDS.count);
    expect(found, 'closed? then remove it from known-holes.ts').toBeDefined();
    expect(await without(found?.seed ?? 0)).toEqual([]);
  },
  LIMIT_MS,
);

it('every attacker plays in ordinary seeds or opens one known hole', () => {
  const holes = KNOWN_HOLES.map(({ adversary }) => adversary);
  expect([...NORMAL, ...holes].sort()).toEqual([...ADVERSARIES].sort());
});
