// SPDX-License-Identifier: Apache-2.0
// The closing lines of a run: which skips pass, which fail the run, and the form of the last line.
import { expect, it } from 'vitest';
import { closing, type SkipReason, skipReason, type Tally } from './reporter.ts';

function tally(change: Partial<Tally> = {}): Tally {
  return { passed: 3, failed: 0, skipped: 0, untagged: [], byReason: new Map(), ...change };
}

function skipped(reason: SkipReason): Partial<Tally> {
  return { skipped: 1, byReason: new Map([[reason, [`a.test.ts > s [skip: ${reason}] > t`]]]) };
}

it('knows a reason only by its tag', () => {
  expect(skipReason('a.test.ts > vectors [skip: shared] > one')).toBe('shared');
  expect(skipReason('a.test.ts > one [skip: tool]')).toBe('tool');
  expect(skipReason('a.test.ts > one [skip: lazy]')).toBeUndefined();
  expect(skipReason('a.test.ts > skip: shared')).toBeUndefined();
});

it('closes with the tally alone on the last line', () => {
  const { lines, fails } = closing(tally({ failed: 2 }), false);
  expect(lines.at(-1)).toBe('3 passed, 2 failed, 0 skipped');
  expect(fails).toBe(false);
});

it('counts tagged skips by reason and lets them pass', () => {
  const { lines, fails } = closing(tally(skipped('shared')), true);
  expect(lines).toContain('skipped for want of shared: 1');
  expect(lines.at(-1)).toBe('3 passed, 0 failed, 1 skipped');
  expect(fails).toBe(false);
});

it('fails the run for a missing tool in CI only', () => {
  expect(closing(tally(skipped('tool')), false).fails).toBe(false);
  expect(closing(tally(skipped('tool')), true).fails).toBe(true);
});

it('fails the run for a skip without a reason, and names it', () => {
  const { lines, fails } = closing(tally({ skipped: 1, untagged: ['a.test.ts > why'] }), false);
  expect(fails).toBe(true);
  expect(lines).toContain('  a.test.ts > why');
});
