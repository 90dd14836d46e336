// SPDX-License-Identifier: Apache-2.0
// What the state forgets, when, and that nothing which was forgotten can come back.
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type Node, RELEASE_MS, RUN_MS, World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { bills } from '../bill.ts';
import { Archive } from './archive.ts';
import { schedule } from './due.ts';
import { foldEntry } from './fold.ts';
import { emptyState } from './state.ts';
import { encodeState } from './state-codec.ts';
import { LANDING_MAX } from './statements.ts';

describe('ids of statements', () => {
  it('are forgotten at any entry, one that is no event included', async () => {
    const world = await World.create();
    await world.formEpoch();
    const { dataset } = await world.addDataset('bank');
    const key = world.state.datasets.get(toHex(dataset))?.versions.get(1)?.event ?? '';
    const at = world.state.seen.get(key) ?? 0;
    world.state.seq = at + LANDING_MAX;
    await world.submit(Uint8Array.of(1));
    expect(world.state.seen.has(key)).toBe(false);
  });

  it('too far ahead of their time are not kept: they may land once it has come', async () => {
    const world = await World.create();
    await world.formEpoch();
    const within = world.state.seq + LANDING_MAX + 9;
    const said = { ...world.datasetBody(), within };
    const early = await world.put(world.identity('bank'), 'dataset', said);
    expect(early.outcome).toMatchObject({ code: 'statement-window' });
    world.state.seq += 20;
    expect((await world.submit(early.bytes)).outcome.status).toBe('accepted');
  });

  it('are remembered while the statement could land, and then it is late', async () => {
    const world = await World.create();
    await world.formEpoch();
    const { state } = world;
    const within = state.seq + LANDING_MAX;
    const said = world.datasetBody();
    const { bytes, event } = await world.put(world.identity('bank'), 'dataset', {
      ...said,
      within,
    });
    const early = await world.put(world.identity('bank'), 'dataset', {
      ...said,
      version: 5,
      within,
    });
    const [kept, stays] = [event?.key ?? '', early.event?.key ?? ''];
    expect([state.seen.has(kept), state.voids.has(stays)]).toEqual([true, true]);
    state.seq = within - 1;
    expect((await world.submit(bytes)).outcome).toMatchObject({ code: 'duplicate' });
    await world.tickAll(state.clock + 1);
    expect([state.seen.has(kept), state.voids.has(stays)]).toEqual([false, false]);
    for (const late of [bytes, early.bytes]) {
      expect((await world.submit(late)).outcome).toMatchObject({ code: 'statement-late' });
    }
    expect([...state.recent.values()].sort()).toEqual(
      [...state.seen.keys(), ...state.voids.keys()].sort(),
    );
  });
});

/** A released run of a task that ends in a day. */
async function released() {
  const world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const before = encodeState(world.state).length;
  const until = world.state.clock + 86_400_000;
  const task = await world.propose('bank', [claims], { until });
  await world.approve('insurer', task, [claims]);
  const worker = await world.joinWorker('bank', task);
  const usage = await world.recordUsage(worker);
  await world.release(worker, usage);
  return { world, claims, task, worker, before, rests: until + RUN_MS + RELEASE_MS + 1 };
}

it('what ends at one time ends in one order, however it came', async () => {
  const { state } = await World.create();
  const ends = ['b', 'a', 'c'].flatMap((key) => [
    { at: 9, what: 'task', key } as const,
    { at: 9, what: 'run', key } as const,
  ]);
  for (const end of [...ends, { at: 8, what: 'task', key: 'z' } as const]) schedule(state, end);
  const order = state.due.map(({ at, what, key }) => `${at} ${what} ${key}`);
  expect(order).toEqual([
    '8 task z',
    '9 run a',
    '9 run b',
    '9 run c',
    '9 task a',
    '9 task b',
    '9 task c',
  ]);
});

describe('a task', () => {
  it('is forgotten with its runs and their nodes once nothing about it can land', async () => {
    const { world, task, worker, rests, before } = await released();
    const { state } = world;
    await world.tickAll(rests - 1);
    expect(state.tasks.has(toHex(task))).toBe(true);
    const [run] = state.runs;
    const { size = 0 } = state.tasks.get(toHex(task)) ?? {};
    expect(size).toBeGreaterThan(1_000);
    expect(state.load.get('bank')).toBe(size);
    await world.tickAll(rests);
    expect(state.load.has('bank')).toBe(false);
    for (const table of [state.tasks, state.runs]) expect(table.size).toBe(0);
    expect(state.joins.has(toHex(worker.id))).toBe(false);
    expect([...state.nodeKeys.values()]).not.toContain(toHex(worker.id));
    expect(state.due).toEqual([]);
    // Ids of statements stay for as long as they could land.
    expect(encodeState(state).length - before).toBeLessThan(1_000);
    expect(run?.[1].status).toBe('released');
    const again = [...world.log].slice(-12);
    const late = await Promise.all(again.map(async (bytes) => (await world.submit(bytes)).outcome));
    expect(late.filter(({ status }) => status === 'accepted')).toEqual([]);
    expect(state.tasks.size + state.runs.size).toBe(0);
  });

  it('is in the archive of who keeps one, and billed as before', async () => {
    const { world, task, rests } = await released();
    const billed = bills(world.state);
    expect(billed[0]?.lines.length).toBeGreaterThan(0);
    await world.tickAll(rests);
    expect(bills(world.state)).toEqual([]);
    const [archive, state] = [new Archive(), emptyState(world.genesis)];
    for (const bytes of world.log) {
      await foldEntry(state, bytes, nodeCrypto);
      archive.take(state);
    }
    expect(bills(archive.over(state))).toEqual(billed);
    expect(archive.over(state).tasks.has(toHex(task))).toBe(true);
    expect(archive.over(state)).toBe(archive.over(state));
  });

  it('stays while deadlines that have grown leave a run time', async () => {
    const { world, task, rests } = await released();
    const { state } = world;
    const [run] = [...state.runs.values()];
    if (run === undefined || state.charter === null) throw new Error('there is a run');
    run.status = 'recorded';
    state.charter.deadlines.release = 10 * (rests - state.clock);
    await world.tickAll(rests);
    expect(state.tasks.has(toHex(task))).toBe(true);
    run.status = 'released';
    await world.tickAll(rests + RUN_MS + state.charter.deadlines.release + 1);
    expect(state.tasks.size).toBe(0);
  });
});

describe('a grant', () => {
  const kept = (world: World, task: Uint8Array) =>
    [...(world.state.tasks.get(toHex(task))?.approvals.values() ?? [])].map(({ runs }) => runs);

  async function asked() {
    const world = await World.create();
    await world.formEpoch();
    const data = [await world.addDataset('bank'), await world.addDataset('bank')];
    const task = await world.propose('bank', data);
    const person = world.freshBytes(32);
    const approve = async (runs: number, of = data, by = person) => {
      const body = world.approveBody(task, of, { runs, person: by });
      return world.must(world.identity('bank'), 'approve', body);
    };
    return { world, task, data, approve };
  }

  it('that its person has replaced on every input is forgotten', async () => {
    const { world, task, data, approve } = await asked();
    await approve(5);
    await approve(6);
    expect(kept(world, task)).toEqual([6]);
    await approve(7, data.slice(0, 1));
    expect(kept(world, task)).toEqual([6, 7]);
    await approve(8, data.slice(1));
    expect(kept(world, task)).toEqual([7, 8]);
    await approve(9, data, world.freshBytes(32));
    expect(kept(world, task)).toEqual([7, 8, 9]);
    await world.must(world.identity('bank'), 'decline', { task, code: 'no' });
    expect(kept(world, task)).toEqual([]);
  });

  it('stays while a run that it pays for is open, however the run ends', async () => {
    const { world, task, approve } = await asked();
    await approve(5);
    const recorded = await world.joinWorker('bank', task);
    const failed = await world.joinWorker('bank', task);
    await approve(6);
    await world.joinWorker('bank', task);
    expect(kept(world, task)).toEqual([5, 6]);
    await world.recordUsage(recorded);
    const { run = new Uint8Array() } = failed.body;
    const end = { task, run, join: failed.id, code: 'engine-failed' };
    expect(kept(world, task)).toEqual([5, 6]);
    await world.must(failed.signer, 'run-failed', end);
    expect(kept(world, task)).toEqual([6]);
    // A run that is open goes on by what pays for it; with the decline both are over.
    await world.must(world.identity('bank'), 'decline', { task, code: 'no' });
    expect(kept(world, task)).toEqual([]);
    expect([...world.state.runs.values()].map(({ paid }) => paid)).toEqual([[], [], []]);
  });
});

describe("a keeper's join", () => {
  it('goes when its machine has joined anew often enough, but for one in use', async () => {
    const world = await World.create();
    const { state } = world;
    const formed = await world.formEpoch();
    const seat = formed.nodes[2] as (typeof formed.nodes)[number];
    const spares: Node[] = [];
    for (let i = 0; i < 6; i++) spares.push(await world.joinKeeper('bank'));
    const known = () => [seat, ...spares].map(({ id }) => state.joins.has(toHex(id)));
    expect(known()).toEqual([true, false, false, false, true, true, true]);
    expect([...state.nodeKeys.values()]).not.toContain(toHex(spares[0]?.id as Uint8Array));
    // Its seat is another's now; its receipts count as long as a run that it opened for.
    await world.formEpoch();
    await world.tickAll(state.clock + RUN_MS + RELEASE_MS);
    await world.joinKeeper('bank');
    expect(known()[0]).toBe(true);
    await world.tickAll(state.clock + 1);
    await world.joinKeeper('bank');
    expect(known()[0]).toBe(false);
  });

  it('costs and fills as little as the first, whoever joins without end', async () => {
    const world = await World.create();
    for (let i = 0; i < 40; i++) await world.joinKeeper('bank');
    expect(world.state.joins.size).toBe(4);
    expect(world.state.due).toEqual([]);
  });
});

describe('an epoch', () => {
  it('whose key is nobody’s any more keeps its seats and nothing of its making', async () => {
    const world = await World.create();
    const first = await world.formEpoch();
    const second = await world.reshare(first, first.nodes);
    const of = (id: Uint8Array) => world.state.epochs.get(toHex(id));
    expect(of(first.id)?.reveals.size).toBe(3);
    await world.formEpoch();
    for (const { id, nodes } of [first, second]) {
      expect(of(id)).toMatchObject({ status: 'superseded', joins: nodes.map((n) => toHex(n.id)) });
      const epoch = of(id);
      const tables = [epoch?.commits, epoch?.receiving, epoch?.reveals, epoch?.acks];
      expect(tables.map((table) => table?.size)).toEqual([0, 0, 0, 0]);
    }
  });
});
