// SPDX-License-Identifier: Apache-2.0
// A run that fails ends the command with the status of the kind that its worker told.
import { describe, expect, it } from 'vitest';
import { exitStatusOf, runFailed } from './errors.ts';

const failed = {
  run: '00'.repeat(16),
  task: '00'.repeat(32),
  state: 'failed',
  phases: {},
} as const;

describe('a failed run', () => {
  it.each([
    ['quorum-missing', 'unavailable', 4],
    ['policy-hidden', 'policy', 2],
    ['signature-invalid', 'verification', 3],
  ] as const)('%s, which is %s, exits with %i', (code, kind, status) => {
    const error = runFailed({ ...failed, code, kind, sentence: 'no' });
    expect(error).toMatchObject({ code, kind, message: `the run failed (${code}): no` });
    expect(exitStatusOf(error)).toBe(status);
  });

  it('of which nothing is told is no fault of cloister', () => {
    expect(exitStatusOf(runFailed(failed))).toBe(3);
  });

  it('is told from a fault', () => {
    expect(exitStatusOf(new TypeError('ours'))).toBe(70);
  });
});
