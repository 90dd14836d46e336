// SPDX-License-Identifier: Apache-2.0
// A gateway that takes every request for a blob and answers none costs a keeper no phase: it holds
// its share like the others, though that gateway is the first that it asks.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpBlobs, HttpJson } from '@cloister/api';
import { systemTimers, type Timers } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { afterEach, expect, it } from 'vitest';
import { Committee } from '../testing/committee.ts';
import { serveGateway } from '../testing/http-gateway.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A hundred times as fast. */
const brisk: Timers = {
  elapsed: () => systemTimers.elapsed() * 100,
  after: (ms, wake) => systemTimers.after(ms / 100, wake),
};

it('a keeper whose first gateway is silent forms the key with the others', async () => {
  const committee = await Committee.create();
  closing.push(() => committee.stop());
  let asked = 0;
  const silent = createServer(() => {
    asked += 1;
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  closing.push(
    () => silent.close(),
    () => silent.closeAllConnections(),
  );
  const honest = await serveGateway(committee.ledger, committee.blobs);
  closing.push(() => honest.close());
  const { port } = silent.address() as AddressInfo;
  const gateways = [`http://127.0.0.1:${port}`, honest.address];
  const blobs = new HttpBlobs(
    gateways.map((base) => new HttpJson({ base })),
    nodeCrypto,
    { timers: brisk },
  );
  await committee.form({ hospital: { blobs } });
  expect(asked).toBeGreaterThan(0);
  expect(committee.world.state.activeEpoch).not.toBeNull();
});
