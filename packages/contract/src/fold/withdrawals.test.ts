// SPDX-License-Identifier: Apache-2.0
// What a withdrawal ends, and what it leaves as it was.
import { toHex } from '@cloister/core';
import { accepted, type Node, World } from '@cloister/testkit/world';
import { beforeAll, expect, it } from 'vitest';
import { rightsOfJoin } from './rights.ts';

let world: World;
beforeAll(async () => {
  world = await World.create();
  await world.formEpoch();
});

/** Two versions and another dataset, and a task over each with a run. */
async function told() {
  const w = world.fork();
  const first = await w.addDataset('insurer');
  const { dataset } = first;
  const second = await w.addDataset('insurer', { dataset, version: 2 });
  const nodes: Node[] = [];
  const other = await w.addDataset('insurer');
  for (const version of [first, second, other]) {
    const task = await w.propose('bank', [version]);
    await w.approve('insurer', task, [version]);
    nodes.push(await w.joinWorker('bank', task));
  }
  const states = () =>
    nodes.map(({ body }) => {
      const run = w.state.runs.get(toHex(body.run as Uint8Array));
      return [run?.status, run?.failure];
    });
  const withdraw = async (version?: number) => {
    const said = { dataset, ...(version === undefined ? {} : { version }) };
    return accepted(await w.put(w.identity('insurer'), 'withdraw', said));
  };
  return { w, dataset, nodes, states, withdraw };
}

it('of a version ends its open runs and no others; nothing opens for them', async () => {
  const { w, nodes, states, withdraw } = await told();
  await withdraw(1);
  expect(states()).toEqual([
    ['failed', 'dataset-withdrawn'],
    ['joined', null],
    ['joined', null],
  ]);
  const rights = nodes.map(({ id }) => rightsOfJoin(w.state, toHex(id)));
  expect(rights.map((right) => (right.ok ? 'opens' : right.code))).toEqual([
    'run-ended',
    'opens',
    'opens',
  ]);
  const [node] = nodes;
  const late = await w.put(node?.signer as never, 'usage', await w.usageBody(node as Node));
  expect(late.outcome).toMatchObject({ code: 'run-already-failed' });
});

it('of a dataset ends all of it, for good; a version after a version may follow', async () => {
  const { w, dataset, states, withdraw } = await told();
  await withdraw(2);
  const third = await w.addDataset('insurer', { dataset, version: 3 });
  expect(third.version).toBe(3);
  await withdraw();
  expect(states().map(([status]) => status)).toEqual(['failed', 'failed', 'joined']);
  const more = w.datasetBody({ dataset, version: 4 });
  const { outcome } = await w.put(w.identity('insurer'), 'dataset', more);
  expect(outcome).toMatchObject({ code: 'dataset-retired' });
});

it('leaves what was recorded as it is: it is billed and can be released', async () => {
  const { w, nodes, states, withdraw } = await told();
  const [node] = nodes;
  const usage = await w.recordUsage(node as Node);
  await withdraw();
  expect(states()[0]).toEqual(['recorded', null]);
  await w.release(node as never, usage);
  expect(states()[0]).toEqual(['released', null]);
});
