// SPDX-License-Identifier: Apache-2.0
// Lasting trouble: waited for longer and longer, said once, and ended by a stop at once.
import { CodedError, type Timers } from '@cloister/core';
import { expect, it } from 'vitest';
import { keepOn } from './trouble.ts';

/** Time that passes when somebody waits. */
function world() {
  const waits: number[] = [];
  const said: string[] = [];
  const time = { now: 0 };
  const timers: Timers = {
    elapsed: () => time.now,
    after: (ms, wake) => {
      waits.push(ms);
      time.now += ms;
      queueMicrotask(wake);
      return () => {};
    },
  };
  const log = { info: () => {}, warn: (_: string, f: object = {}) => said.push(JSON.stringify(f)) };
  return { waits, said, ports: { timers, log, clock: { now: () => time.now } } };
}

it('waits longer while trouble lasts, begins anew after it, and says it once', async () => {
  const { waits, said, ports } = world();
  const stopping = new AbortController();
  let turns = 0;
  await keepOn(ports, stopping.signal, async () => {
    turns += 1;
    if (turns === 20) stopping.abort();
    if (turns !== 8) throw new CodedError('is-gone', 'unavailable', 'x');
  });
  expect(waits.slice(0, 8)).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000, 100]);
  expect(said).toHaveLength(2);
});

it('goes on after a fault of ours, and reminds of it now and then', async () => {
  const { said, ports } = world();
  const stopping = new AbortController();
  let turns = 0;
  await keepOn(ports, stopping.signal, async () => {
    turns += 1;
    if (turns === 40) stopping.abort();
    throw new TypeError('x');
  });
  expect(turns).toBe(40);
  expect(said.length).toBeGreaterThan(1);
  expect(said.length).toBeLessThan(5);
  expect(said[0]).toContain('internal');
});
