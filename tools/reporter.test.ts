// SPDX-License-Identifier: Apache-2.0
// The closing lines of a run: which skips pass, which fail the run, and the form of the last line.
import { expect, it } from 'vitest';
import { closing, type SkipReason, skipReason, type Tally } from './reporter.ts';

function tally(change: Partial<Tally> = {}): Tally {
  const none = { untagged: [], byReason: new Map(), seconds: new Map() };
  return { passed: 3, failed: 0, skipped: 0, ...none, ...change };
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

it('names the slowest files of a long run, and of no other', () => {
  const took = (count: number) =>
    new Map(Array.from({ length: count }, (_, i) => [`packages/x/src/${i}.test.ts`, i]));
  expect(closing(tally({ seconds: took(12) }), false).lines).toContain(
    'slowest: 11.test.ts 11 s, 10.test.ts 10 s, 9.test.ts 9 s, 8.test.ts 8 s, 7.test.ts 7 s',
  );
  expect(closing(tally({ seconds: took(10) }), false).lines).toHaveLength(1);
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
