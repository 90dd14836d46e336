// SPDX-License-Identifier: Apache-2.0
// A whole plausible history, then races, limits and determinism over it.
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  accepted,
  complaintOf,
  EPOCH_PHASE_MS,
  type Node,
  namedPoint,
  namedSigner,
  RELEASE_MS,
  RUN_MS,
  START_MS,
  startEpoch,
  World,
} from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import type { EventBody } from '../events/bodies.ts';
import { foldEntry } from './fold.ts';
import { requiredWitnesses, rightsOfJoin } from './rights.ts';
import { cloneState, emptyState } from './state.ts';
import { encodeState } from './state-codec.ts';
import { missingGrants, runState, taskState } from './task-state.ts';

async function ready(grant: { runs?: number } = {}) {
  const world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const visits = await world.addDataset('hospital');
  const task = await world.propose('bank', [claims, visits]);
  await world.approve('insurer', task, [claims], grant);
  await world.approve('hospital', task, [visits], grant);
  return { world, claims, visits, task, taskKey: toHex(task) };
}

describe('a history', () => {
  it('runs from charter to release, each step accepted', async () => {
    const { world, task, taskKey } = await ready();
    expect(taskState(world.state, taskKey)).toBe('approved');
    const worker = await world.joinWorker('bank', task);
    expect(taskState(world.state, taskKey)).toBe('joined');
    const rights = rightsOfJoin(world.state, toHex(worker.id));
    expect(rights.ok && rights.owners).toEqual(['insurer', 'hospital']);
    expect(requiredWitnesses(world.state, taskKey)).toEqual({
      keys: [world.witness('insurer').key, world.witness('hospital').key],
      missing: [],
    });
    const without = cloneState(world.state);
    without.charter?.members.shift();
    expect(requiredWitnesses(without, taskKey).missing).toEqual(['insurer']);
    const usage = await world.recordUsage(worker);
    expect(taskState(world.state, taskKey)).toBe('recorded');
    await world.release(worker, usage);
    expect(taskState(world.state, taskKey)).toBe('released');
    expect(world.outcomes.every((o) => o.status === 'accepted')).toBe(true);
    expect(rightsOfJoin(world.state, toHex(worker.id))).toMatchObject({ code: 'run-ended' });
  });

  it('gives the same state from the same entries', async () => {
    const { world, task } = await ready();
    await world.joinWorker('bank', task);
    const again = emptyState(world.genesis);
    for (const bytes of world.log) await foldEntry(again, bytes, nodeCrypto);
    expect(toHex(encodeState(again))).toBe(toHex(encodeState(world.state)));
  });

  it('lets order decide who gets the last run', async () => {
    const { world, task } = await ready({ runs: 1 });
    const first = await world.tryJoinWorker('bank', task);
    const second = await world.tryJoinWorker('insurer', task);
    expect(first.submitted.outcome.status).toBe('accepted');
    expect(second.submitted.outcome).toMatchObject({ status: 'void', code: 'join-run-limit' });
    expect(runState(world.state, [...world.state.runs.values()][0] as never)).toBe('joined');
  });
});

describe('a distributed run', () => {
  /** A task for a driver and two executors; `enter` joins a place in the run. */
  async function roster(runs = 1) {
    const world = await World.create();
    await world.formEpoch();
    const claims = await world.addDataset('insurer');
    const worker = { ...world.taskBody([claims]).worker, nodes: 3 };
    const task = await world.propose('bank', [claims], { worker });
    await world.approve('insurer', task, [claims], { runs });
    const run = world.freshBytes(16);
    const enter = async (operator: string, place: number): Promise<Node> => {
      const { submitted, node } = await world.tryJoinWorker(operator, task, { run, place });
      expect(submitted.outcome).toMatchObject({ status: 'accepted' });
      return node;
    };
    const rights = (node: Node) => rightsOfJoin(world.state, toHex(node.id));
    return { world, task, run, enter, rights };
  }

  it('gives no right before its roster is complete, then one run to all', async () => {
    const { world, task, enter, rights } = await roster();
    const driver = await enter('bank', 1);
    const third = await enter('hospital', 3);
    for (const node of [driver, third]) {
      expect(rights(node)).toMatchObject({ ok: false, code: 'roster-incomplete' });
    }
    const second = await enter('bank', 2);
    for (const node of [driver, second, third]) {
      const keys = [driver, second, third].map(({ id }) => toHex(id));
      expect(rights(node)).toMatchObject({ ok: true, roster: keys });
    }
    const grants = [...(world.state.tasks.get(toHex(task))?.approvals.values() ?? [])];
    expect(grants.map(({ used }) => used)).toEqual([1]);
  });

  it('gives nobody a right once the charter has no place for one of its nodes', async () => {
    const { world, enter, rights } = await roster();
    const nodes = [await enter('bank', 1), await enter('bank', 2), await enter('hospital', 3)];
    const charter = structuredClone(world.state.charter) as NonNullable<typeof world.state.charter>;
    for (const operator of charter.operators) {
      if (operator.id === 'hospital') operator.hardware.length = 0;
    }
    world.state.charter = charter;
    for (const node of nodes) {
      expect(rights(node)).toMatchObject({ ok: false, code: 'join-hardware-not-enrolled' });
    }
  });

  it('is recorded by its driver alone, and ended for all by any node that fails', async () => {
    const { world, task, run, enter, rights } = await roster();
    const nodes = [await enter('bank', 1), await enter('bank', 2), await enter('hospital', 3)];
    const [driver, second, third] = nodes as [Node, Node, Node];
    const wrong = await world.put(second.signer, 'usage', await world.usageBody(second));
    expect(wrong.outcome).toMatchObject({ code: 'run-not-signer' });
    const body = { task, run, join: third.id, code: 'lost-peer' };
    const lent = await world.put(second.signer, 'run-failed', body);
    expect(lent.outcome).toMatchObject({ code: 'run-unknown' });
    await world.must(third.signer, 'run-failed', body);
    for (const node of nodes) expect(rights(node)).toMatchObject({ code: 'run-ended' });
    const late = await world.put(driver.signer, 'usage', await world.usageBody(driver));
    expect(late.outcome).toMatchObject({ code: 'run-already-failed' });
  });
});

describe('epochs', () => {
  it('reshare: the key stays, datasets stay sealed, the old epoch is superseded', async () => {
    const world = await World.create();
    const formed = await world.formEpoch();
    const claims = await world.addDataset('insurer');
    const fresh = await world.joinKeeper('bank');
    // The two that stay change seats: dealers are numbered as in the epoch that they deal from.
    const nodes = [formed.nodes[1] as Node, formed.nodes[0] as Node, fresh];
    const again = await world.reshare(formed, nodes);
    expect(toHex(again.groupKey)).toBe(toHex(formed.groupKey));
    expect(world.state.activeEpoch).toBe(toHex(again.id));
    expect(world.state.epochs.get(toHex(formed.id))?.status).toBe('superseded');
    const task = await world.propose('bank', [claims]);
    await world.approve('insurer', task, [claims]);
    await world.joinWorker('bank', task);
  });

  it('shut nobody out whose keys another named first', async () => {
    const world = await World.create();
    const name = world.fresh('victim');
    const signer = namedSigner(world.seed, name);
    const mine = world.joinBody('hospital', 'keeper', name);
    const inFlight = await world.joinBytes(signer, mine);
    const squat = async (keys: { tls?: Uint8Array; hpke?: Uint8Array }) => {
      const own = world.fresh('squat');
      const body = { ...world.joinBody('bank', 'keeper', own), ...keys };
      accepted(await world.submit(await world.joinBytes(namedSigner(world.seed, own), body)));
    };
    await squat({ tls: mine.tls, hpke: mine.hpke });
    await squat({ tls: signer.key });
    accepted(await world.submit(inFlight));
    const { id, nodes } = await startEpoch(world);
    const [one, two] = nodes.map((_, i) => world.commitBody(id, i + 1, world.deal(id, 3)[i]));
    await squat({ hpke: one?.receive as Uint8Array });
    const [first, second] = nodes as [Node, Node];
    accepted(await world.put(second.signer, 'commit', { ...two, receive: one?.receive } as never));
    accepted(await world.put(first.signer, 'commit', one as never));
  });

  it('exclude the silent at a deadline, and the attempt repeats without them', async () => {
    const world = await World.create();
    const { id, nodes } = await startEpoch(world);
    const [first] = nodes as [Node];
    const [dealing] = world.deal(id, 3);
    await world.must(first.signer, 'commit', world.commitBody(id, 1, dealing));
    await world.tickAll(START_MS + EPOCH_PHASE_MS);
    expect(world.state.formingEpoch).toBe(toHex(id));
    await world.tickAll(START_MS + EPOCH_PHASE_MS + 1);
    const ended = world.state.epochs.get(toHex(id));
    expect(ended).toMatchObject({ status: 'ended', end: { code: 'deadline' } });
    expect(ended?.end?.faults).toEqual(nodes.slice(1).map((node) => toHex(node.id)));
    const again = [first, await world.joinKeeper('hospital'), await world.joinKeeper('bank')];
    const joins = again.map((node) => node.id);
    const next = await world.nameEpoch({ joins }, 'bank');
    await world.runEpoch(next, again);
    expect(world.state.activeEpoch).toBe(toHex(next));
  });

  it('exclude no seat of the running key, whether a reshare or a new key fails', async () => {
    const world = await World.create();
    const formed = await world.formEpoch();
    const joins = formed.nodes.map((node) => node.id);
    const id = await world.nameEpoch({ joins, from: formed.id }, 'bank');
    await world.tickAll(START_MS + EPOCH_PHASE_MS + 1);
    const ended = world.state.epochs.get(toHex(id));
    expect(ended).toMatchObject({ status: 'ended', end: { code: 'deadline' } });
    expect(ended?.end?.faults).toHaveLength(3);
    const [first, second] = formed.nodes as [Node, Node];
    const dud = await world.joinKeeper('bank');
    const seats = [first.id, second.id, dud.id];
    const anew = await world.nameEpoch({ joins: seats }, 'bank');
    await world.tickAll(START_MS + 2 * EPOCH_PHASE_MS + 2);
    expect(world.state.epochs.get(toHex(anew))?.end?.faults).toHaveLength(3);
    expect(world.state.joins.get(toHex(dud.id))?.excluded).toBe('deadline');
    const again = await world.reshare(formed, formed.nodes);
    expect(world.state.activeEpoch).toBe(toHex(again.id));
  });

  it('end with the complainer excluded when the deal was right, else the dealer', async () => {
    for (const [dealtFor, fault, code] of [
      [2, 1, 'complaint-unfounded'],
      [3, 0, 'complaint-upheld'],
    ] as const) {
      const world = await World.create();
      const { id, nodes } = await startEpoch(world);
      const dealings = world.deal(id, 3);
      for (const [i, node] of nodes.entries()) {
        await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
      }
      const [dealer, complainer] = nodes as [Node, Node];
      const { sealed, complaint } = complaintOf(world, { epoch: id, dealings, dealtFor });
      const reveal = world.revealBody(id, 1, dealings, 3);
      reveal.deals[1] = sealed;
      await world.must(dealer.signer, 'reveal', reveal);
      const body = { epoch: id, seat: 2, against: 1, complaint };
      await world.must(complainer.signer, 'complaint', body);
      const faults = [toHex((nodes[fault] as Node).id)];
      expect(world.state.epochs.get(toHex(id))?.end).toMatchObject({ code, faults });
    }
  });

  it('do not become active on acknowledgements that differ', async () => {
    const world = await World.create();
    const { id, nodes } = await startEpoch(world);
    const dealings = world.deal(id, 3);
    for (const [i, node] of nodes.entries()) {
      await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
    }
    for (const [i, node] of nodes.entries()) {
      await world.must(node.signer, 'reveal', world.revealBody(id, i + 1, dealings, 3));
    }
    const transcript = world.freshBytes(32);
    for (const [i, node] of nodes.entries()) {
      const groupKey = namedPoint('history', i === 2 ? 'other' : 'one');
      await world.must(node.signer, 'ack', { epoch: id, seat: i + 1, transcript, groupKey });
    }
    expect(world.state.activeEpoch).toBeNull();
    expect(world.state.epochs.get(toHex(id))?.end).toMatchObject({
      code: 'acks-differ',
      faults: [],
    });
  });
});

describe('rights and states', () => {
  it('are judged again for keepers: withdrawn, expired, resealed, ended', async () => {
    const { world, task, taskKey, claims } = await ready();
    const worker = await world.joinWorker('bank', task);
    const key = toHex(worker.id);
    const codeIn = (forked: World) => {
      const rights = rightsOfJoin(forked.state, key);
      return rights.ok ? 'ok' : rights.code;
    };
    const withdrawn = world.fork();
    const decline = { task, code: 'changed-my-mind' };
    await withdrawn.must(withdrawn.identity('insurer'), 'decline', decline);
    expect(codeIn(withdrawn)).toBe('run-ended');
    expect(missingGrants(withdrawn.state, taskKey).map(({ code }) => code)).toEqual([
      'join-unapproved',
    ]);
    await withdrawn.approve('insurer', task, [claims]);
    expect(codeIn(withdrawn)).toBe('run-ended');
    const late = await withdrawn.put(worker.signer, 'usage', await withdrawn.usageBody(worker));
    expect(late.outcome).toMatchObject({ code: 'run-already-failed' });
    const expired = world.fork();
    await expired.tickAll(START_MS + 3_600_000);
    expect(codeIn(expired)).toBe('join-expired');
    const rotated = world.fork();
    await rotated.formEpoch();
    expect(codeIn(rotated)).toBe('join-dataset-not-resealed');
    const sealedAgain = rotated.state.epochs.get(rotated.state.activeEpoch ?? '')?.groupKey;
    for (const [owner, id] of [
      ['insurer', claims.dataset],
      ['hospital', [...rotated.state.datasets.values()][1]?.versions.get(1)?.body.dataset],
    ] as const) {
      const body = rotated.state.datasets.get(toHex(id as Uint8Array))?.versions.get(1)?.body;
      const groupKey = sealedAgain as Uint8Array;
      await rotated.must(rotated.identity(owner), 'dataset', {
        ...(body as typeof claims),
        groupKey,
      });
    }
    expect(codeIn(rotated)).toBe('ok');
    expect(rightsOfJoin(world.state, 'ab')).toMatchObject({ code: 'join-not-accepted' });
    const [keeper] = [...world.state.joins].find(([, j]) => j.body.role === 'keeper') ?? [''];
    expect(rightsOfJoin(world.state, keeper)).toMatchObject({ code: 'join-not-worker' });
  });

  it('go on by the grants that paid for the run, or newer ones that give as much', async () => {
    const world = await World.create();
    await world.formEpoch();
    const claims = await world.addDataset('insurer');
    const task = await world.propose('bank', [claims]);
    const [one, two] = [world.freshBytes(32), world.freshBytes(32)];
    const until = START_MS + 3_600_000;
    await world.approve('insurer', task, [claims], { person: one, runs: 1, until });
    const worker = await world.joinWorker('bank', task);
    const codeAfter = async (change: Partial<EventBody<'approve'>>) => {
      const forked = world.fork();
      await forked.approve('insurer', task, [claims], { person: one, ...change });
      const rights = rightsOfJoin(forked.state, toHex(worker.id));
      return rights.ok ? 'ok' : rights.code;
    };
    const inputs = [{ dataset: claims.dataset, version: 1, columns: [1] }];
    expect(await codeAfter({ until })).toBe('ok');
    expect(await codeAfter({ until: until + 1 })).toBe('ok');
    expect(await codeAfter({ until: until - 1 })).toBe('run-ended');
    expect(await codeAfter({ until, inputs })).toBe('run-ended');
    expect(await codeAfter({ until, from: START_MS + 1 })).toBe('run-ended');
    // Another person's grant pays for another run, never for this one.
    const forked = world.fork();
    await forked.approve('insurer', task, [claims], { person: two, until });
    await forked.approve('insurer', task, [claims], { person: one, until, inputs });
    const rights = rightsOfJoin(forked.state, toHex(worker.id));
    expect(rights).toMatchObject({ ok: false, code: 'run-ended' });
    // Once the end that was paid for has passed, no later grant brings the run back.
    const later = world.fork();
    await later.tickAll(until);
    await later.approve('insurer', task, [claims], { person: one, until: until + 9 });
    expect(rightsOfJoin(later.state, toHex(worker.id))).toMatchObject({ code: 'join-expired' });
  });

  it("count each person once, and a person's newer grant in place of the older", async () => {
    const world = await World.create();
    await world.formEpoch();
    const visits = await world.addDataset('hospital', { approvals: 2 });
    const task = await world.propose('bank', [visits]);
    const person = world.freshBytes(32);
    await world.approve('hospital', task, [visits], { person });
    await world.approve('hospital', task, [visits], { person, runs: 1 });
    const alone = await world.tryJoinWorker('bank', task);
    expect(alone.submitted.outcome).toMatchObject({ code: 'join-unapproved' });
    await world.approve('hospital', task, [visits]);
    await world.joinWorker('bank', task);
    const second = await world.tryJoinWorker('bank', task);
    expect(second.submitted.outcome).toMatchObject({ code: 'join-run-limit' });
  });

  it('expire, and leave recorded runs unreleased past the deadline', async () => {
    const { world, task, taskKey } = await ready();
    const late = world.fork();
    await late.tickAll(START_MS + 3_600_000);
    expect(taskState(late.state, taskKey)).toBe('expired');
    const worker = await world.joinWorker('bank', task);
    const lost = world.fork();
    await lost.tickAll(START_MS + RUN_MS);
    expect(taskState(lost.state, taskKey)).toBe('joined');
    await lost.tickAll(START_MS + RUN_MS + 1);
    expect(taskState(lost.state, taskKey)).toBe('failed');
    const tooLate = await lost.put(worker.signer, 'usage', await lost.usageBody(worker));
    expect(tooLate.outcome).toMatchObject({ code: 'run-already-failed' });
    const usage = await world.recordUsage(worker);
    await world.tickAll(START_MS + RELEASE_MS);
    expect(taskState(world.state, taskKey)).toBe('recorded');
    await world.tickAll(START_MS + RELEASE_MS + 1);
    expect(taskState(world.state, taskKey)).toBe('unreleased');
    await world.release(worker, usage);
    expect(taskState(world.state, taskKey)).toBe('released');
    expect(taskState(world.state, 'ab')).toBeUndefined();
  });
});

describe('the clock', () => {
  it('is the (f+1)-th largest newest tick: one liar cannot move it, nor hold it back', async () => {
    const world = new World();
    await world.found();
    await world.must(world.witness('bank'), 'tick', { time: START_MS * 9 });
    expect(world.state.clock).toBe(0);
    await world.must(world.witness('insurer'), 'tick', { time: START_MS });
    expect(world.state.clock).toBe(START_MS);
    await world.must(world.witness('hospital'), 'tick', { time: START_MS + 5 });
    expect(world.state.clock).toBe(START_MS + 5);
    await world.must(world.witness('insurer'), 'tick', { time: START_MS + 1 });
    expect(world.state.clock).toBe(START_MS + 5);
  });
});
