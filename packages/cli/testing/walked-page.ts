// SPDX-License-Identifier: Apache-2.0
// The tests of a page that is walked: its blocks run, give what the page states, and leave nothing.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMIT_MS, type Walk } from './walk.ts';

/** Walks the page of this name; `counts` says what it has to hold, so that none is empty. */
export function pageIsTrue(name: string, walk: Walk, counts: () => void): void {
  beforeAll(() => walk.go(), LIMIT_MS + 10_000);
  afterAll(() => walk.end());

  describe(name, () => {
    it('has blocks to run and says what they give', counts);

    it.each(walk.blocks.map((_, i) => [i + 1]))('block %i gives what the page states', (number) => {
      const { exit, missing, said } = walk.outcome(number);
      expect(missing, said).toEqual([]);
      expect(exit, said).toBe(0);
    });

    it('leaves no process behind', () => {
      expect(walk.alive).toBe(false);
    });
  });
}
