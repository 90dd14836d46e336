// SPDX-License-Identifier: Apache-2.0
// A few seeds with every test run; `npm run sim` runs as many as one likes, the lane `sim` runs
// hundreds.
import { describe, expect, it } from 'vitest';
import { simulate } from './simulate.ts';

describe('the simulator', () => {
  it('replays a seed message by message', async () => {
    const [one, two] = [await simulate(3), await simulate(3)];
    expect(one.trace).toBe(two.trace);
    expect(one.messages).toBe(two.messages);
  });

  it('finds no violation, and really opens', async () => {
    const report = await simulate(7);
    expect(report.violations).toEqual([]);
    expect(report.messages).toBeGreaterThan(300);
    expect(report.openings).toBeGreaterThan(2);
  });

  it('catches a keeper that does not ask whether a head is fresh', async () => {
    let said: readonly string[] = [];
    // The first of these is a seed with that attack as long as no message comes otherwise.
    for (let seed = 1; seed < 50 && said.length === 0; seed++) {
      said = (await simulate(seed, 'freshness')).violations;
    }
    expect(said.join()).toMatch(/no challenge of its own/);
  }, 60_000);
});
