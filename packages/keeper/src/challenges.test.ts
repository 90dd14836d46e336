// SPDX-License-Identifier: Apache-2.0
// One use, one join, a short life, bounds; and agreement with a naive model.
import { isCoded, systemRandom } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHALLENGE_LIMITS, Challenges } from './challenges.ts';

function table(limits = CHALLENGE_LIMITS) {
  const clock = { time: 0, now: () => clock.time };
  return { clock, challenges: new Challenges({ clock, random: systemRandom }, limits) };
}

function codeOf(f: () => unknown): string {
  try {
    f();
    return 'no error';
  } catch (error) {
    return isCoded(error) ? error.code : String(error);
  }
}

describe('challenges', () => {
  it('are 32 fresh bytes, good once, for their join', () => {
    const { challenges } = table();
    const [one, two] = [challenges.draw('a'), challenges.draw('a')];
    expect([one.length, two.length]).toEqual([32, 32]);
    expect(one).not.toEqual(two);
    expect(codeOf(() => challenges.use('b', [one]))).toBe('challenge-unknown');
    expect(challenges.use('a', [new Uint8Array(32), one])).toEqual(one);
    expect(codeOf(() => challenges.use('a', [one]))).toBe('challenge-unknown');
    expect(challenges.use('a', [two])).toEqual(two);
  });

  it('are all used up that a note names', () => {
    const { challenges } = table();
    const [one, two] = [challenges.draw('a'), challenges.draw('a')];
    challenges.use('a', [one, two]);
    expect(codeOf(() => challenges.use('a', [two]))).toBe('challenge-unknown');
  });

  it('end after their lifetime', () => {
    const { clock, challenges } = table();
    const drawn = challenges.draw('a');
    clock.time = CHALLENGE_LIMITS.lifetimeMs;
    expect(codeOf(() => challenges.use('a', [drawn]))).toBe('challenge-unknown');
  });

  it('are refused past the bounds, and again to be had when time has passed', () => {
    const { clock, challenges } = table({ lifetimeMs: 10, total: 3, perJoin: 2 });
    challenges.draw('a');
    challenges.draw('a');
    expect(codeOf(() => challenges.draw('a'))).toBe('challenges-too-many');
    challenges.draw('b');
    expect(codeOf(() => challenges.draw('c'))).toBe('challenges-too-many');
    clock.time = 10;
    expect(codeOf(() => challenges.draw('c'))).toBe('no error');
  });

  it('agree with a naive model under any history', () => {
    const step = fc.tuple(
      fc.constantFrom('draw', 'use', 'wait'),
      fc.constantFrom('a', 'b'),
      fc.nat(9),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const limits = { lifetimeMs: 5, total: 6, perJoin: 4 };
        const { clock, challenges } = table(limits);
        let model: { join: string; bytes: Uint8Array; until: number }[] = [];
        const drawn: Uint8Array[] = [];
        for (const [kind, join, n] of steps) {
          model = model.filter((entry) => entry.until > clock.time);
          if (kind === 'wait') clock.time += n % 4;
          if (kind === 'draw') {
            const full =
              model.length >= limits.total ||
              model.filter((entry) => entry.join === join).length >= limits.perJoin;
            expect(codeOf(() => drawn.push(challenges.draw(join)))).toBe(
              full ? 'challenges-too-many' : 'no error',
            );
            const bytes = drawn.at(-1);
            if (!full && bytes) model.push({ join, bytes, until: clock.time + limits.lifetimeMs });
          }
          const asked = drawn[n];
          if (kind === 'use' && asked) {
            const known = model.some((entry) => entry.join === join && entry.bytes === asked);
            const code = codeOf(() => challenges.use(join, [asked]));
            expect(code).toBe(known ? 'no error' : 'challenge-unknown');
            if (known) model = model.filter((entry) => entry.bytes !== asked);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
