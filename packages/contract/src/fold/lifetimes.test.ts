// SPDX-License-Identifier: Apache-2.0
// What the state forgets, when, and that nothing which was forgotten can come back.
import { World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { LANDING_MAX } from './statements.ts';

describe('ids of statements', () => {
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
