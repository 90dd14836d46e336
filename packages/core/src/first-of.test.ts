// SPDX-License-Identifier: Apache-2.0
// The first good answer, whoever is silent or fails before it.
import { describe, expect, it } from 'vitest';
import { CodedError } from './errors.ts';
import { firstOf } from './first-of.ts';
import { systemTimers as timers } from './ports.ts';

const error = (kind: 'unavailable' | 'policy') => new CodedError(`is-${kind}`, kind, kind);
const never = new Promise<never>(() => undefined);

describe('firstOf', () => {
  it('asks the next at once after a failure, and soon after silence', async () => {
    const asked: string[] = [];
    const answer = await firstOf(
      ['fails', 'silent', 'well', 'not asked'],
      { timers, stepMs: 20 },
      async (peer) => {
        asked.push(peer);
        if (peer === 'fails') throw error('unavailable');
        return peer === 'silent' ? never : peer;
      },
    );
    expect([answer, asked]).toEqual(['well', ['fails', 'silent', 'well']]);
  });

  it('fails with the last failure when all fail', async () => {
    const failing = firstOf([1, 2], { timers, stepMs: 20 }, () => Promise.reject(error('policy')));
    await expect(failing).rejects.toMatchObject({ code: 'is-policy' });
  });

  it('ends at a fault of ours, and asks nobody more', async () => {
    const asked: number[] = [];
    const failing = firstOf([1, 2], { timers, stepMs: 20 }, async (peer) => {
      asked.push(peer);
      throw new TypeError('ours');
    });
    await expect(failing).rejects.toBeInstanceOf(TypeError);
    expect(asked).toEqual([1]);
  });

  it('lets those who are late know that nobody waits for them', async () => {
    const signals: AbortSignal[] = [];
    const answer = await firstOf([1, 2], { timers, stepMs: 5 }, async (peer, signal) => {
      signals.push(signal);
      return peer === 1 ? never : peer;
    });
    expect(answer).toBe(2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});
