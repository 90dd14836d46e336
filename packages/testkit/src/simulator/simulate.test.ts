// SPDX-License-Identifier: Apache-2.0
// A few seeds with every test run; `npm run sim` runs as many as one likes.
import { describe, expect, it } from 'vitest';
import { simulate } from './simulate.ts';

describe('the simulator', () => {
  it('replays a seed message by message', async () => {
    const [one, two] = [await simulate(6), await simulate(6)];
    expect(one.trace).toBe(two.trace);
    expect(one.messages).toBeGreaterThan(300);
  });

  it.each([3])('finds no violation with seed %i, and really opens', async (seed) => {
    const report = await simulate(seed);
    expect(report.violations).toEqual([]);
    expect(report.messages).toBeGreaterThan(300);
    expect(report.openings).toBeGreaterThan(0);
  });

  it('catches a keeper that does not look at what pi proves', async () => {
    const report = await simulate(2, 'pi');
    expect(report.violations.join()).toMatch(/sealed keys are another dataset/);
  });
});
