// SPDX-License-Identifier: Apache-2.0
// A ledger ends when as many members as sign heads say the same; then nothing opens and nothing
// counts, and until then nothing changes.
import { toHex } from '@cloister/core';
import { accepted, World } from '@cloister/testkit/world';
import { beforeAll, expect, it } from 'vitest';
import { rightsOfJoin } from './rights.ts';
import { decodeState, encodeState } from './state-codec.ts';

const [ONE, OTHER] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
let world: World;
let join: string;

beforeAll(async () => {
  world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const task = await world.propose('bank', [claims]);
  await world.approve('insurer', task, [claims]);
  join = toHex((await world.joinWorker('bank', task)).id);
});

const says = async (w: World, member: string, next?: Uint8Array) =>
  accepted(await w.put(w.identity(member), 'close', next === undefined ? {} : { next }));

it('by a quorum that says the same; a member’s newest word counts', async () => {
  const w = world.fork();
  await says(w, 'insurer', ONE);
  await says(w, 'hospital', ONE);
  await says(w, 'bank', OTHER);
  expect(w.state.closed).toBeNull();
  expect(rightsOfJoin(w.state, join).ok).toBe(true);
  await says(w, 'bank');
  expect(w.state.closed).toBeNull();
  await says(w, 'bank', ONE);
  expect(w.state.closed).toEqual({ seq: w.state.seq - 1, next: toHex(ONE) });
  expect(rightsOfJoin(w.state, join)).toMatchObject({ ok: false, code: 'ledger-ended' });
  expect(decodeState(encodeState(w.state)).closed).toEqual(w.state.closed);
});

it('for good where nobody names another; who is gone is not counted', async () => {
  const w = world.fork();
  await says(w, 'insurer');
  await says(w, 'hospital');
  // As an amendment leaves it.
  const members = w.charter.members.filter(({ id }) => id !== 'insurer');
  w.state.charter = { ...w.charter, members };
  await says(w, 'bank');
  expect(w.state.closed).toBeNull();
  w.state.charter = w.charter;
  await says(w, 'bank', ONE);
  await says(w, 'bank');
  expect(w.state.closed).toMatchObject({ next: 'none' });
});
