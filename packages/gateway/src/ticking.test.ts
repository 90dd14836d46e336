// SPDX-License-Identifier: Apache-2.0
// A quiet ledger stays short, and whatever relies on the clock's moving still happens: deadlines,
// expiry, an event that is judged by time after hours of silence. Days are virtual.
import { runState, taskState } from '@cloister/contract';
import { CodedError, toHex } from '@cloister/core';
import { accepted, amending, START_MS, World } from '@cloister/testkit/world';
import { beforeEach, describe, expect, it } from 'vitest';
import { QuietDays } from '../testing/quiet-days.ts';
import type { Gateway } from './context.ts';
import { freshenClock, mayTick, wantsTick } from './ticking.ts';

const { amend, sign } = amending;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A look, and what the others take to answer. */
const SOON_MS = 2 * MINUTE_MS;

let world: World;
let days: QuietDays;

beforeEach(async () => {
  world = await World.create();
  days = new QuietDays(world);
});

const behind = () => days.now - world.state.clock;

describe('a day without anything to do', () => {
  it('leaves at most 200 events, and a clock that is an hour old at most', async () => {
    days.start();
    await days.pass(DAY_MS);
    expect(days.count()).toBeLessThanOrEqual(200);
    expect(days.count('tick')).toBe(days.count());
    expect(days.count()).toBeGreaterThan(3 * 22);
    expect(behind()).toBeLessThanOrEqual(HOUR_MS + SOON_MS);
  });

  it('likewise with one member gone, or one whose clock is years ahead', async () => {
    days.skew.set('bank', 10 * 365 * DAY_MS);
    days.start(['insurer', 'bank']);
    await days.pass(DAY_MS);
    expect(days.count()).toBeLessThanOrEqual(200);
    expect(world.state.clock - days.now).toBeLessThanOrEqual(0);
    expect(behind()).toBeLessThanOrEqual(HOUR_MS + SOON_MS);
  });

  it('likewise while a member proposes epochs that nobody wants', async () => {
    days.start(['insurer', 'hospital']);
    const joins = [];
    for (const { id } of world.charter.operators) joins.push((await world.joinKeeper(id)).id);
    for (let i = 0; i < 24; i++) {
      await world.must(world.identity('bank'), 'epoch', { joins: [...joins.reverse()] });
      await days.pass(HOUR_MS);
    }
    expect(days.count('tick')).toBeLessThanOrEqual(100);
  });
});

describe('the clock passes in time', () => {
  async function approved(change: object = {}) {
    await world.formEpoch();
    const dataset = await world.addDataset('hospital');
    const task = await world.propose('bank', [dataset]);
    await world.approve('hospital', task, [dataset], change);
    return task;
  }

  it('the end of a run that records nothing', async () => {
    const task = await approved();
    const node = await world.joinWorker('bank', task);
    const run = () => world.state.runs.get(toHex(node.body.run ?? new Uint8Array()));
    days.start();
    const { deadlines } = world.charter;
    await days.pass(deadlines.run - SOON_MS);
    expect(run()?.status).toBe('joined');
    await days.pass(2 * SOON_MS);
    expect(run()?.status).toBe('failed');
  });

  it('the time in which a result is released', async () => {
    const worker = await world.joinWorker('bank', await approved());
    await world.recordUsage(worker);
    const state = () => {
      const run = world.state.runs.get(toHex(worker.body.run ?? new Uint8Array()));
      return run === undefined ? undefined : runState(world.state, run);
    };
    days.start();
    await days.pass(world.charter.deadlines.release - SOON_MS);
    expect(state()).toBe('recorded');
    await days.pass(2 * SOON_MS);
    expect(state()).toBe('unreleased');
  });

  it('where a grant begins and where it ends', async () => {
    const from = START_MS + 20 * MINUTE_MS;
    const task = toHex(await approved({ from, until: from + 25 * MINUTE_MS }));
    days.start();
    await days.pass(20 * MINUTE_MS - SOON_MS);
    expect(taskState(world.state, task)).toBe('proposed');
    await days.pass(2 * SOON_MS);
    expect(taskState(world.state, task)).toBe('approved');
    await days.pass(25 * MINUTE_MS);
    expect(taskState(world.state, task)).toBe('expired');
  });

  it('the deadline of an epoch that keepers do not make', async () => {
    days.start();
    await days.pass(5 * HOUR_MS);
    const joins = [];
    for (const { id } of world.charter.operators) joins.push((await world.joinKeeper(id)).id);
    const epoch = await world.must(world.identity('bank'), 'epoch', { joins });
    for (const id of ['insurer', 'hospital']) {
      await world.must(world.identity(id), 'consent', { epoch });
    }
    await days.pass(MINUTE_MS);
    const attempt = () => world.state.epochs.get(toHex(epoch));
    expect(attempt()?.status).toBe('forming');
    // The clock that its deadline begins from is of now, not of an hour ago.
    expect(
      days.now - ((attempt()?.deadline ?? 0) - world.charter.deadlines.epochPhase),
    ).toBeLessThan(MINUTE_MS + 1);
    await days.pass(world.charter.deadlines.epochPhase + MINUTE_MS);
    expect(attempt()?.end?.code).toBe('deadline');
  });
});

describe('an event that is judged by time', () => {
  it('finds a fresh clock, as the others answer the first tick', async () => {
    days.start();
    await days.pass(HOUR_MS / 2);
    expect(behind()).toBeGreaterThan(MINUTE_MS);
    await freshenClock(days.gateways.get('bank') as Gateway);
    expect(behind()).toBeLessThan(MINUTE_MS);
    const before = days.count();
    await freshenClock(days.gateways.get('bank') as Gateway);
    expect(days.count()).toBe(before);
  });

  it('has one tick for all who ask at once', async () => {
    days.start(['bank']);
    await days.pass(HOUR_MS / 2);
    const before = days.count();
    const gateway = days.gateways.get('bank') as Gateway;
    await Promise.all(Array.from({ length: 20 }, () => freshenClock(gateway)));
    expect(days.count()).toBe(before + 1);
  });

  it('does not wait for ever where nobody answers', async () => {
    days.start(['bank']);
    await days.pass(HOUR_MS / 2);
    await freshenClock(days.gateways.get('bank') as Gateway);
    expect(behind()).toBeGreaterThan(MINUTE_MS);
  });
});

describe('a witness', () => {
  const at = (now: number) => wantsTick(world.state, { member: 'bank', now, tickMs: 10_000 });

  it('ticks first of all, corrects a wrong clock, and otherwise once an hour', async () => {
    const fresh = new World();
    await fresh.found();
    expect(wantsTick(fresh.state, { member: 'bank', now: START_MS, tickMs: 1 })).toBe('first');
    expect(at(START_MS + HOUR_MS - 1)).toBeUndefined();
    expect(at(START_MS + HOUR_MS)).toBe('hourly');
    expect(at(START_MS - MINUTE_MS)).toBe('wrong');
  });

  it('answers a tick a minute ahead of the clock once, and at most once a minute', async () => {
    const ahead = START_MS + 10 * MINUTE_MS;
    await world.must(world.witness('insurer'), 'tick', { time: ahead });
    expect(at(ahead)).toBe('asked');
    expect(at(START_MS + MINUTE_MS - 1)).toBeUndefined();
    await world.must(world.witness('bank'), 'tick', { time: START_MS + MINUTE_MS });
    expect(at(ahead + MINUTE_MS)).toBeUndefined();
  });

  it('answers nobody while the ledger is ahead of its own clock', async () => {
    await world.must(world.witness('hospital'), 'tick', { time: START_MS + 5 * MINUTE_MS });
    await world.must(world.witness('insurer'), 'tick', { time: START_MS + 20 * MINUTE_MS });
    expect(world.state.clock).toBe(START_MS + 5 * MINUTE_MS);
    expect(at(START_MS + 4 * MINUTE_MS)).toBeUndefined();
    expect(at(START_MS + 6 * MINUTE_MS)).toBe('asked');
  });

  it('has nothing to say on a ledger that is over', async () => {
    days.start();
    const bank = days.gateways.get('bank') as Gateway;
    expect(mayTick(bank)).toBe(true);
    for (const { id } of world.charter.members) await world.put(world.identity(id), 'close', {});
    expect(world.state.closed).not.toBeNull();
    expect(mayTick(bank)).toBe(false);
  });

  it('that has stopped is silent, whatever is due', async () => {
    days.start(['bank']);
    await days.pass(HOUR_MS);
    const before = days.count('tick');
    expect(before).toBeGreaterThan(0);
    const bank = days.gateways.get('bank') as Gateway;
    bank.witness.stop(new CodedError('witness-refused', 'verification', 'it was shown two'));
    await days.pass(DAY_MS);
    expect(days.count('tick')).toBe(before);
  });

  it('is silent once the charter names another key of its member', async () => {
    const key = world.witness('bank-2');
    const amendment = await amend(world, (draft) => {
      draft.members = draft.members.map((one) => {
        return one.id === 'bank' ? { ...one, witness: key.key } : one;
      });
    });
    const by = { signer: world.identity('bank'), witness: key };
    accepted(await sign(world, amendment, by));
    const bank = days.gateways.get('bank') as Gateway;
    expect(mayTick(bank)).toBe(false);
    expect(mayTick({ ...bank, keys: { ...bank.keys, witness: key } })).toBe(true);
  });

  it('of a member that has left is silent', async () => {
    const others = ['insurer', 'hospital'];
    await amend(world, (draft) => {
      draft.witnesses = { faulty: 0, quorum: 2 };
    });
    await amend(
      world,
      (draft) => {
        draft.members = draft.members.filter(({ id }) => others.includes(id));
      },
      { signers: others },
    );
    const may = [...days.gateways].filter(([, gateway]) => mayTick(gateway)).map(([id]) => id);
    expect(may).toEqual(others);
  });
});
