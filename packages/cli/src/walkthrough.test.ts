// SPDX-License-Identifier: Apache-2.0
// docs/walkthrough.md is true: its shell blocks give the output that the page states
// (testing/walk.ts). Nothing that the page started is left when it ends.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMIT_MS, Walk } from '../testing/walk.ts';

const walk = new Walk();

beforeAll(() => walk.go(), LIMIT_MS + 10_000);
afterAll(() => walk.end());

describe('docs/walkthrough.md', () => {
  it('has blocks to run and says what they give', () => {
    expect(walk.blocks.length).toBeGreaterThan(10);
    expect(walk.blocks.filter((b) => b.expected.length > 0).length).toBeGreaterThan(9);
    expect(walk.ports.length).toBe(8);
  });

  it.each(walk.blocks.map((_, i) => [i + 1]))('block %i gives what the page states', (number) => {
    const { exit, missing, said } = walk.outcome(number);
    expect(missing, said).toEqual([]);
    expect(exit, said).toBe(0);
  });

  it('leaves no process behind', () => {
    expect(walk.alive).toBe(false);
  });
});
