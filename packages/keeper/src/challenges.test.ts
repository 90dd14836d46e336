// SPDX-License-Identifier: Apache-2.0
// One use, one join, a short life, bounds; and agreement with a naive model.
import { isCoded, systemRandom } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHALLENGE_LIMITS, Challenges } from './challenges.ts';

function table(limits = CHALLENGE_LIMITS) {
  const clock = { time: 0, now: () => clock.time };
  const challenges = new Challenges({ clock, random: systemRandom }, limits);
  let nonce = 0;
  const draw = (join: string, operator = join) =>
    challenges.draw({ join, operator, nonce: `nonce ${nonce++}` });
  return { clock, challenges, draw };
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
    const { challenges, draw } = table();
    const [one, two] = [draw('a'), draw('a')];
    expect([one.length, two.length]).toEqual([32, 32]);
    expect(one).not.toEqual(two);
    expect(codeOf(() => challenges.use('b', [one]))).toBe('challenge-unknown');
    expect(challenges.use('a', [new Uint8Array(32), one])).toEqual(one);
    expect(codeOf(() => challenges.use('a', [one]))).toBe('challenge-unknown');
    expect(challenges.use('a', [two])).toEqual(two);
  });

  it('are all used up that a note names', () => {
    const { challenges, draw } = table();
    const [one, two] = [draw('a'), draw('a')];
    challenges.use('a', [one, two]);
    expect(codeOf(() => challenges.use('a', [two]))).toBe('challenge-unknown');
  });

  it('are the same while open for who repeats a request, and so fill no table', () => {
    const { challenges } = table();
    const of = (join: string, nonce: string) => challenges.draw({ join, operator: 'x', nonce });
    const drawn = of('a', 'one');
    for (let i = 0; i < 2 * CHALLENGE_LIMITS.perJoin; i++) {
      expect(of('a', 'one')).toEqual(drawn);
    }
    expect(of('b', 'one')).not.toEqual(drawn);
    expect(of('a', 'two')).not.toEqual(drawn);
    challenges.use('a', [drawn]);
    expect(of('a', 'one')).not.toEqual(drawn);
  });

  it('end after their lifetime', () => {
    const { clock, challenges, draw } = table();
    const drawn = draw('a');
    clock.time = CHALLENGE_LIMITS.lifetimeMs;
    expect(codeOf(() => challenges.use('a', [drawn]))).toBe('challenge-unknown');
  });

  it('are refused past the bounds, and again to be had when time has passed', () => {
    const { clock, draw } = table({ lifetimeMs: 10, total: 3, perOperator: 3, perJoin: 2 });
    draw('a');
    draw('a');
    expect(codeOf(() => draw('a'))).toBe('challenges-too-many');
    draw('b');
    expect(codeOf(() => draw('c'))).toBe('challenges-too-many');
    clock.time = 10;
    expect(codeOf(() => draw('c'))).toBe('no error');
  });

  it('of one operator leave room for those of others', () => {
    const { draw } = table({ lifetimeMs: 10, total: 9, perOperator: 3, perJoin: 2 });
    for (const join of ['a', 'b', 'c']) draw(join, 'x');
    expect(codeOf(() => draw('d', 'x'))).toBe('challenges-too-many');
    expect(codeOf(() => draw('d', 'y'))).toBe('no error');
  });

  it('agree with a naive model under any history', () => {
    const step = fc.tuple(
      fc.constantFrom('draw', 'use', 'wait'),
      fc.constantFrom('a', 'b'),
      fc.nat(9),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const limits = { lifetimeMs: 5, total: 6, perOperator: 6, perJoin: 4 };
        const { clock, challenges, draw } = table(limits);
        let model: { join: string; bytes: Uint8Array; until: number }[] = [];
        const drawn: Uint8Array[] = [];
        for (const [kind, join, n] of steps) {
          model = model.filter((entry) => entry.until > clock.time);
          if (kind === 'wait') clock.time += n % 4;
          if (kind === 'draw') {
            const full =
              model.length >= limits.total ||
              model.filter((entry) => entry.join === join).length >= limits.perJoin;
            expect(codeOf(() => drawn.push(draw(join)))).toBe(
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
