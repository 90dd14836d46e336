// SPDX-License-Identifier: Apache-2.0
// The worker's HTTP API: who may start a run, what is bounded, what health and metrics say.
import { HttpJson, WorkerClient } from '@cloister/api';
import type { HttpServer } from '@cloister/attested';
import { byKind, ofKind } from '@cloister/contract/policy';
import { type Signer, systemClock, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import { readExposition } from '@cloister/testkit';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { Stage } from '../testing/stage.ts';
import { leastCage, requireCage } from './cage.ts';
import { serveWorker } from './server.ts';
import { Worker } from './worker.ts';

const engine = { planner: createDuckdbPlanner(), runner: createDuckdbRunner() };
let stage: Stage;
let worker: Worker;
let server: HttpServer;
let task: Uint8Array;

beforeAll(async () => {
  stage = await Stage.raise(engine);
  const dataset = await stage.addDataset('insurer');
  const outputs = [{ name: 'a', type: 'BIGINT', recipients: ['bank'] }];
  task = await stage.addTask(dataset, { code: 'SELECT a FROM t', columns: [1], outputs });
  worker = new Worker(stage.ports());
  server = await serveWorker(worker);
});

afterAll(async () => {
  await worker.idle(5_000);
  await server.close();
  await stage.lower();
  await Promise.all([engine.planner.close(), engine.runner.close()]);
});

function client(signer?: Signer): WorkerClient {
  const { genesis } = stage.world;
  const sign = { issuer: 'test', genesis, crypto: nodeCrypto, clock: systemClock };
  const signing = signer === undefined ? {} : { sign: { ...sign, signer } };
  return new WorkerClient(new HttpJson({ base: server.address, ...signing }));
}

it('a run is started by its proposer, one at a time, and counted by how it ended', async () => {
  const bank = client(stage.world.identity('bank'));
  const asked = await stage.asked(task);
  const run = await bank.run(asked);
  expect(run).toBe(toHex(asked.run));
  // The same request again is the same run; another one has to wait.
  expect(await bank.run(asked)).toBe(run);
  const another = bank.run(await stage.asked(task));
  await expect(another).rejects.toMatchObject({ code: 'worker-busy' });
  let status = await bank.status(run);
  for (let i = 0; i < 20 && !['released', 'failed'].includes(status.state); i++) {
    status = await bank.status(run, { known: status.state, waitMs: 2_000 });
  }
  expect(status).toMatchObject({ state: 'released', task: toHex(task) });
  await worker.idle(2_000);
  const metrics = await (await fetch(`${server.address}/metrics`)).text();
  expect(metrics).toContain('cloister_worker_runs_total{outcome="released"} 1');
  expect(metrics).toMatch(/cloister_worker_phase_seconds_sum\{phase="keys"\} \d+\.\d+/);
  expect(metrics).toContain('cloister_worker_busy 0');
  expect(readExposition(metrics).get('cloister_worker_runs_total')?.type).toBe('counter');
  const health = await (await fetch(`${server.address}/healthz`)).json();
  expect(health).toMatchObject({ ok: true, role: 'worker', simulated: true, busy: false });
});

it('a run that fails says why, with the kind of its code', async () => {
  const bank = client(stage.world.identity('bank'));
  for (const keeper of stage.keepers.slice(0, 2)) keeper.mode = 'dead';
  try {
    const run = await bank.run(await stage.asked(task));
    let status = await bank.status(run);
    for (let i = 0; i < 20 && status.state !== 'failed'; i++) {
      status = await bank.status(run, { known: status.state, waitMs: 2_000 });
    }
    expect(status).toMatchObject({ code: 'keepers-too-few', kind: 'unavailable' });
  } finally {
    for (const keeper of stage.keepers) keeper.mode = 'well';
    await worker.idle(5_000);
  }
});

it('nobody else starts one, and no task that is not on the ledger', async () => {
  const other = client(stage.world.identity('insurer'));
  const asked = await stage.asked(task);
  await expect(other.run(asked)).rejects.toMatchObject({ code: 'not-the-proposer' });
  await expect(client().run(asked)).rejects.toMatchObject({ code: 'request-unauthenticated' });
  const bank = client(stage.world.identity('bank'));
  const elsewhere = await stage.world.ticket({ ...asked, operator: 'insurer' });
  const misled = bank.run({ ...asked, ticket: elsewhere });
  await expect(misled).rejects.toMatchObject({ code: 'ticket-not-for-us' });
  const unknown = bank.run({ ...asked, task: new Uint8Array(32) });
  await expect(unknown).rejects.toMatchObject({ code: 'task-unknown' });
  const status = bank.status('00'.repeat(16));
  await expect(status).rejects.toMatchObject({ code: 'run-unknown' });
  expect(worker.busy).toBe(false);
});

it('nothing is started of an engine that the worker has no runner for', async () => {
  const other = new Worker({ ...stage.ports(), runners: new Map() });
  const key = stage.world.identity('bank').key;
  const message = 'the task is for the engine duckdb, of which no runner is here: there are none';
  await expect(other.start(await stage.asked(task), key)).rejects.toMatchObject({
    code: 'engine-other',
    message,
  });
  expect(other.busy).toBe(false);
});

it('nothing is started where code would be held by less than the charter wants', async () => {
  const ports = stage.ports();
  const charter = structuredClone(ports.follower.charter);
  for (const environment of charter.environments) environment.cage = 'sandbox';
  const asFolded = vi.spyOn(ports.follower, 'charter', 'get').mockReturnValue(charter);
  onTestFinished(() => asFolded.mockRestore());
  const runner = ofKind('runner', ports.runners, 'duckdb');
  const held = (cage: 'process' | 'sandbox') => async () => ({
    ...{ cage, lacks: ['own-root', 'own-network'] },
  });
  const runners = byKind([{ ...runner, cage: held('process') }]);
  const weak = new Worker({ ...ports, runners });
  const asked = await stage.asked(task);
  const key = stage.world.identity('bank').key;
  await expect(weak.start(asked, key)).rejects.toMatchObject({
    code: 'worker-cage-weak',
    message: expect.stringMatching(/by process, without own-root, own-network;.* wants sandbox:/),
  });
  expect(weak.busy).toBe(false);
  await requireCage({ cage: held('sandbox') }, leastCage(ports));
});

it('bodies are bounded and must be a request', async () => {
  const post = (body: string) => fetch(`${server.address}/v1/runs`, { method: 'POST', body });
  expect((await post('x'.repeat(70_000))).status).toBe(413);
  expect((await post('{}')).status).toBe(401);
  const http = new HttpJson({
    base: server.address,
    sign: {
      signer: stage.world.identity('bank'),
      issuer: 'bank',
      genesis: stage.world.genesis,
      crypto: nodeCrypto,
      clock: systemClock,
    },
  });
  for (const json of [{}, { task: 'ab' }, [], 'x', { task: 'z'.repeat(64) }]) {
    const asked = http.bytes({ path: '/v1/runs', json });
    await expect(asked).rejects.toMatchObject({ code: 'request-malformed' });
  }
  for (const path of ['/', '/v1/runs/xyz', '//', '/v1/runs/00?wait=1e9']) {
    expect((await fetch(server.address + path)).status).toBe(404);
  }
});
