// SPDX-License-Identifier: Apache-2.0
// Patience: what is tried again, what is not, and nobody waits for the slowest.
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError, systemTimers as timers } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { gather, hedge, patiently, pause, within } from './patience.ts';

const error = (kind: 'unavailable' | 'policy') => new CodedError(`is-${kind}`, kind, kind);
const never = new Promise<never>(() => undefined);

describe('patiently', () => {
  it('tries again what may pass, and nothing else', async () => {
    let tries = 0;
    const answer = await patiently('x', { timers, patienceMs: 1_000 }, async () => {
      tries += 1;
      if (tries === 1) throw error('unavailable');
      return tries === 3 ? 'done' : undefined;
    });
    expect([answer, tries]).toEqual(['done', 3]);
    const refused = patiently('x', { timers, patienceMs: 1_000 }, () =>
      Promise.reject(error('policy')),
    );
    await expect(refused).rejects.toMatchObject({ code: 'is-policy' });
  });

  it('gives up with the last reason, or says that it waited', async () => {
    const failing = patiently('x', { timers, patienceMs: 30 }, () =>
      Promise.reject(error('unavailable')),
    );
    await expect(failing).rejects.toMatchObject({ code: 'is-unavailable' });
    const waiting = patiently('x', { timers, patienceMs: 30 }, async () => undefined);
    await expect(waiting).rejects.toMatchObject({ code: 'timed-out' });
  });

  it('begins anew whenever something has moved, and gives up when nothing does', async () => {
    let [moved, tries] = [0, 0];
    const bounds = { timers, patienceMs: 60, progress: () => moved };
    const slow = patiently('x', bounds, async () => {
      await sleep(40);
      tries += 1;
      if (tries <= 6) moved += 1;
      return tries === 7 ? 'done' : undefined;
    });
    expect(await slow).toBe('done');
    const stuck = patiently('x', bounds, async () => undefined);
    await expect(stuck).rejects.toMatchObject({ code: 'timed-out' });
  });

  it('ends at once when it is told to, in an attempt and between two', async () => {
    for (const attempt of [() => never, async () => undefined]) {
      const stopping = new AbortController();
      const bounds = { timers, patienceMs: 60_000, signal: stopping.signal };
      const waiting = patiently('x', bounds, attempt);
      await sleep(20);
      stopping.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'node-stopping' });
      const late = patiently('x', bounds, async () => 'too late');
      await expect(late).rejects.toMatchObject({ code: 'node-stopping' });
    }
  });
});

it('a pause ends after its time, or at once when it is told to', async () => {
  const stopping = new AbortController();
  const began = performance.now();
  await pause(timers, 20, stopping.signal);
  expect(performance.now() - began).toBeGreaterThan(15);
  const long = pause(timers, 60_000, stopping.signal);
  stopping.abort();
  await long;
  await pause(timers, 60_000, stopping.signal);
  expect(performance.now() - began).toBeLessThan(10_000);
});

describe('gather', () => {
  const bounds = { timers, graceMs: 0, boundMs: 50 };

  it('ends when there is enough, and counts who was not heard', async () => {
    const asked = [Promise.resolve(1), Promise.reject(error('policy')), never, Promise.resolve(2)];
    const enough = (got: readonly number[]) => got.length >= 2;
    const { got, failures, pending } = await gather(asked, { ...bounds, boundMs: 5_000, enough });
    expect([got, failures.length, pending]).toEqual([[1, 2], 1, 1]);
  });

  it('ends at its bound, when all have failed, and for nobody', async () => {
    const enough = () => false;
    expect(await gather([never], { ...bounds, enough })).toMatchObject({ got: [], pending: 1 });
    const failed = gather([Promise.reject(error('policy'))], { ...bounds, enough });
    expect(await failed).toMatchObject({ got: [], pending: 0 });
    expect(await gather([], { ...bounds, enough })).toMatchObject({ pending: 0 });
  });

  it('leaves the others a grace', async () => {
    const asked = [Promise.resolve(1), sleep(10, 2), sleep(10_000, 3, { ref: false })];
    const enough = (got: readonly number[]) => got.length >= 1;
    const { got, pending } = await gather(asked, { timers, graceMs: 80, boundMs: 5_000, enough });
    expect([got, pending]).toEqual([[1, 2], 1]);
  });

  it('passes on what judging throws', async () => {
    const enough = () => {
      throw new Error('bug');
    };
    await expect(gather([Promise.resolve(1)], { ...bounds, enough })).rejects.toThrow('bug');
  });
});

it('within gives up on what takes too long', async () => {
  await expect(within('x', { timers, limitMs: 10 }, never)).rejects.toMatchObject({
    code: 'timed-out',
  });
  expect(await within('x', { timers, limitMs: 1_000 }, Promise.resolve(5))).toBe(5);
});

describe('hedge', () => {
  /** Asks 1 to 4, of which 1 and 2 are first; `asked` are those that were really asked. */
  function asking(answers: Record<number, Promise<number>>, aloneMs = 20_000) {
    const began: number[] = [];
    const ask = (peer: number) => {
      began.push(peer);
      return answers[peer] ?? Promise.resolve(peer);
    };
    const isFirst = (peer: number) => peer <= 2;
    return { began, ...hedge([3, 1, 2, 4], { timers, isFirst, aloneMs, ask }) };
  }

  it('asks the first alone while they answer', async () => {
    const { began, asked, cancel } = asking({});
    expect(await Promise.all([asked[1], asked[2]])).toEqual([1, 2]);
    await sleep(5);
    expect(began).toEqual([1, 2]);
    cancel();
  });

  it('asks the others when one of the first fails, and when told to', async () => {
    const failing = asking({ 2: Promise.reject(error('policy')) });
    await expect(failing.asked[2]).rejects.toMatchObject({ code: 'is-policy' });
    expect(await Promise.all([failing.asked[0], failing.asked[3]])).toEqual([3, 4]);
    failing.cancel();
    const told = asking({ 2: never });
    told.askOthers();
    expect(await Promise.all([told.asked[0], told.asked[3]])).toEqual([3, 4]);
    told.cancel();
  });

  it('asks the others when the first are slow, unless it is over by then', async () => {
    const slow = asking({ 1: never }, 10);
    expect(await Promise.all([slow.asked[0], slow.asked[3]])).toEqual([3, 4]);
    const over = asking({ 1: never }, 10);
    over.cancel();
    await sleep(30);
    expect(over.began).toEqual([1, 2]);
  });
});
