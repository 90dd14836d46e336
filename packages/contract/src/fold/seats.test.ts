// SPDX-License-Identifier: Apache-2.0
// Who could take a seat.
import { toHex } from '@cloister/core';
import { World } from '@cloister/testkit/world';
import { expect, it } from 'vitest';
import { newestKeepers } from './seats.ts';

it('the newest keeper of each operator could, and no worker of it', async () => {
  const world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const task = await world.propose('bank', [claims]);
  await world.approve('insurer', task, [claims]);
  const newest = await world.joinKeeper('bank');
  await world.joinWorker('bank', task);
  const operators = newestKeepers(world.state).map((key) => {
    const body = world.state.joins.get(key)?.body;
    return [body?.operator, body?.role, key === toHex(newest.id)];
  });
  expect(operators.sort()).toEqual([
    ['bank', 'keeper', true],
    ['hospital', 'keeper', false],
    ['insurer', 'keeper', false],
  ]);
});
