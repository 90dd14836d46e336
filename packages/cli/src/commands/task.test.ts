// SPDX-License-Identifier: Apache-2.0
// What an approval has come to is said as it is: not approved where another person has to, and not
// a second one where somebody has approved before.
import { describe, expect, it } from 'vitest';
import { approvalLine } from './task.ts';

const recorded = { seq: 7, id: '00'.repeat(32), status: 'accepted' } as const;

describe('an approval', () => {
  it.each([
    [1, 1, false, 'approved 2 run(s), on the ledger at 7'],
    [1, 1, true, 'approved 2 run(s), in place of what this person approved before, on the ledger'],
    [1, 2, false, 'not approved yet: 1 of 2 persons want 2 run(s), on the ledger at 7; another'],
    [1, 2, true, 'not approved yet: still 1 of 2 persons want 2 run(s), in place of what this'],
    [2, 2, false, 'approved 2 run(s), on the ledger at 7'],
  ])('of %i of %i persons, again: %s', (persons, needed, replaced, says) => {
    const line = approvalLine({ ...recorded, persons, needed, replaced }, '2 run(s)');
    expect(line.startsWith(says)).toBe(true);
  });
});
