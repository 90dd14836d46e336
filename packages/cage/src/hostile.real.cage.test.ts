// SPDX-License-Identifier: Apache-2.0
// What a hostile program can do at each level is known by name: no more, and no less.
import { describe, expect, it } from 'vitest';
import { attack } from '../testing/attack.ts';
import { knownOf } from '../testing/known.ts';
import { openCage, WAYS } from './index.ts';

describe('a hostile program', () => {
  it.each(WAYS)('started by %s does what is known of its level, and nothing more', async (way) => {
    // On a machine where this way does not work, the shell's level is what is claimed and tried.
    const cage = await openCage([way]);
    const { tried, succeeded, held } = await attack(cage);
    expect(tried).toBe(16);
    expect(succeeded).toEqual(knownOf(cage));
    expect(held).toEqual({ level: cage.level, measures: cage.measures });
  });
});
