// SPDX-License-Identifier: Apache-2.0
// A whole plausible history, then races, limits and determinism over it.
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { World } from '../testing/index.ts';
import { foldEntry } from './fold.ts';
import { requiredWitnesses, rightsOfJoin } from './rights.ts';
import { emptyState, encodeState } from './state.ts';
import { runState, taskState } from './task-state.ts';

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
    expect(requiredWitnesses(world.state, taskKey)).toEqual([
      world.witness('insurer').key,
      world.witness('hospital').key,
    ]);
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
    const again = emptyState();
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
