// SPDX-License-Identifier: Apache-2.0
// A few seeds with every test run; `npm run sim` runs as many as one likes, the lane `sim`
// hundreds.
import { describe, expect, it } from 'vitest';
import { simulate } from './simulate.ts';

describe('the simulator', () => {
  it('replays a seed message by message, and tells seeds apart', async () => {
    const [one, two, other] = [await simulate(3), await simulate(3), await simulate(4)];
    expect(one.trace).toBe(two.trace);
    expect(one.messages).toBe(two.messages);
    expect(other.trace).not.toBe(one.trace);
  });

  it.each([1, 7])('finds no violation with seed %i, and really opens', async (seed) => {
    const report = await simulate(seed);
    expect(report.violations).toEqual([]);
    expect(report.messages).toBeGreaterThan(300);
    expect(report.openings).toBeGreaterThan(2);
  });

  it('catches a keeper that does not ask whether a head is fresh', async () => {
    const report = await simulate(2, 'freshness');
    expect(report.violations.join()).toMatch(/no challenge of its own/);
  });
});
