// SPDX-License-Identifier: Apache-2.0
// docs/dataset-life.md is true: a dataset is replaced, gets another policy, is withdrawn and
// removed by the real command line, with the output that the page states (testing/walk.ts).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DATASET_LIFE, LIMIT_MS, Walk } from '../testing/walk.ts';

const walk = new Walk((page) => page, DATASET_LIFE);

beforeAll(() => walk.go(), LIMIT_MS + 10_000);
afterAll(() => walk.end());

describe('docs/dataset-life.md', () => {
  it('has blocks to run and says what they give', () => {
    expect(walk.blocks.length).toBe(8);
    expect(walk.blocks.every((block) => block.expected.length > 0)).toBe(true);
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
