// SPDX-License-Identifier: Apache-2.0
// Virtual time: one order of everything, nobody of a dead process woken, real work waited for.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Network } from './network.ts';

const never = () => false;

describe('virtual time', () => {
  it('runs timers by time, and those of one moment in the order they were set', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(50), { maxLength: 60 }), async (delays) => {
        const network = new Network(1, 0);
        const ran: [number, number][] = [];
        for (const [i, ms] of delays.entries()) network.after(ms, () => ran.push([network.now, i]));
        await network.run(100, never);
        const wanted = delays.map((ms, i) => [ms, i] as [number, number]);
        expect(ran).toEqual(wanted.sort(([a, i], [b, j]) => a - b || i - j));
      }),
      { numRuns: 40 },
    );
  });

  it('wakes nobody who took it back or whose process is gone', async () => {
    const network = new Network(1, 0);
    const process = { alive: true };
    const timers = network.timers(process);
    const woken: string[] = [];
    timers.after(5, () => woken.push('taken back'))();
    timers.after(5, () => woken.push('in time'));
    timers.after(20, () => woken.push('too late'));
    network.after(10, () => {
      process.alive = false;
    });
    await network.run(100, never);
    expect(woken).toEqual(['in time']);
  });

  it('stands still while real work goes on, and ends with what nobody caught', async () => {
    const network = new Network(1, 0);
    const seen: number[] = [];
    network.after(1, () => {
      const work = new Promise((resolve) => setTimeout(resolve, 5));
      void network.hold(work).then(() => seen.push(network.now));
    });
    network.after(2, () => seen.push(network.now));
    network.after(3, () => network.go(Promise.reject(new Error('a bug'))));
    await expect(network.run(100, never)).rejects.toThrow('a bug');
    expect(seen).toEqual([1, 2]);
  });
});

describe('the network', () => {
  /** What arrives of a hundred messages, and the trace of it. */
  async function sent(seed: number, calmAt: number, bytes: Uint8Array) {
    const network = new Network(seed, calmAt);
    const got: unknown[] = [];
    network.attach('b', ({ body }) => got.push(body['i']));
    for (let i = 0; i < 100; i++) network.send('a', 'b', 'hello', { i, bytes });
    await network.run(1_000, never);
    return { got, trace: network.trace(), faults: network.faults };
  }
  const bytes = Uint8Array.of(1, 2, 3);

  it('loses and doubles only before the calm, and the same for a seed', async () => {
    const rough = await sent(7, 1_000, bytes);
    expect(rough.faults.get('loss')).toBeGreaterThan(0);
    expect(rough.faults.get('duplication')).toBeGreaterThan(0);
    expect(await sent(7, 1_000, bytes)).toEqual(rough);
    expect((await sent(7, 0, bytes)).got.length).toBe(100);
  });

  it('has another trace when a byte of a message is another', async () => {
    const [one, other] = [await sent(7, 0, bytes), await sent(7, 0, Uint8Array.of(1, 2, 4))];
    expect(one.got).toEqual(other.got);
    expect(one.trace).not.toBe(other.trace);
  });

  it('delivers nothing to or from whom it has cut off', async () => {
    const network = new Network(1, 0);
    network.attach('b', () => expect.unreachable());
    network.cut('a', 0, 10);
    network.send('a', 'b', 'hello', {});
    await network.run(100, never);
    expect(network.faults.get('partition')).toBe(1);
  });
});
