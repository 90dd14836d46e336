// SPDX-License-Identifier: Apache-2.0
// A keeper that reads a long ledger slowly comes further all the time, and says so: its launcher
// waits while the count rises. Entries that are read again and not believed are no progress.
import { expect, it } from 'vitest';
import { committeeOfTest } from '../testing/committee-of-test.ts';
import { MemoryLedger } from '../testing/ledger.ts';

/** One entry a call. */
class SlowLedger extends MemoryLedger {
  told: () => void = () => {};

  override async entries(from: number, options: { limit?: number; waitMs?: number } = {}) {
    this.told();
    return super.entries(from, { ...options, limit: 1 });
  }
}

/** Serves bytes that no head covers. */
class JunkLedger extends SlowLedger {
  override async entries(from: number, options: { limit?: number; waitMs?: number } = {}) {
    const { events, size } = await super.entries(from, options);
    return { events: events.map((entry) => entry.slice(1)), size };
  }
}

it('counts what it has read before it can fold any of it', async () => {
  const committee = await committeeOfTest();
  const slow = new SlowLedger(committee.world);
  const keeper = committee.keeper('bank', { peers: [slow] });
  const seen: number[] = [];
  slow.told = () => seen.push(keeper.follower.progress);
  const entries = committee.world.log.length;
  await keeper.start();
  expect(new Set(seen.slice(0, entries))).toEqual(
    new Set(Array.from({ length: entries }, (_, i) => i)),
  );
  expect(keeper.follower.progress).toBeGreaterThanOrEqual(2 * entries);
});

it('does not count the same again', async () => {
  const committee = await committeeOfTest();
  const junk = new JunkLedger(committee.world);
  const keeper = committee.keeper('bank', { peers: [junk], options: { patienceMs: 400 } });
  await expect(keeper.start()).rejects.toMatchObject({ code: 'ledger-unreachable' });
  expect(keeper.follower.progress).toBe(committee.world.log.length);
});
