// SPDX-License-Identifier: Apache-2.0
// What a gateway does by itself goes on while a peer takes requests for blobs and answers none.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GatewayClient, HttpJson } from '@cloister/api';
import type { Said } from '@cloister/contract';
import { equal, fromHex, toHex } from '@cloister/core';
import { afterEach, beforeEach, it } from 'vitest';
import {
  eventually,
  Federation,
  peersOf,
  type Started,
  settled,
  withKeepers,
} from '../testing/federation.ts';

let federation: Federation;
let bank: Started;
let dataset: Said<'dataset'>;
let silent: Server;
let asked: string[];

beforeEach(async () => {
  federation = await Federation.create(async (world, put) => {
    await withKeepers(world, put);
    dataset = await world.addDataset('bank');
  });
  asked = [];
  silent = createServer((request) => asked.push(request.url ?? ''));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const peer = new GatewayClient(new HttpJson({ base: `http://127.0.0.1:${port}` }));
  bank = await federation.start('bank');
  peersOf(bank).set('insurer', peer);
  await settled(bank);
  await federation.catchUp();
});
afterEach(async () => {
  silent.closeAllConnections();
  silent.close();
  await federation.close();
});

/** Proposes fresh shares, to which the hospital agrees: the bank's consent makes it a quorum. */
async function proposeRefresh(): Promise<string> {
  const { world } = federation;
  const key = world.state.activeEpoch ?? '';
  const joins = (world.state.epochs.get(key)?.joins ?? []).map((join) => fromHex(join));
  const body = { joins, from: fromHex(key) };
  const epoch = await world.must(world.identity('insurer'), 'epoch', body);
  await world.must(world.identity('hospital'), 'consent', { epoch });
  await federation.publish();
  return toHex(epoch);
}

function ticks(): number {
  const { follower, keys } = bank.gateway;
  const records = Array.from({ length: follower.size }, (_, seq) => follower.record(seq)?.event);
  return records.filter((event) => {
    return event?.kind === 'tick' && equal(event.signer, keys.witness.key);
  }).length;
}

async function goesOn(epoch: string): Promise<void> {
  const before = ticks();
  const agreed = () => {
    const { proposals, epochs } = bank.gateway.follower.state;
    return proposals.get(epoch)?.consents.has('bank') === true || epochs.has(epoch);
  };
  await eventually(agreed);
  await eventually(() => ticks() > before);
}

it('consents and ticks while no openings of a task come', async () => {
  const { world } = federation;
  const hidden = [world.freshBytes(32), world.freshBytes(32)];
  for (const openings of hidden) await world.propose('insurer', [dataset], { openings });
  await federation.publish();
  await eventually(() => asked.length > 0);
  await goesOn(await proposeRefresh());
});
