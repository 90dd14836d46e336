// SPDX-License-Identifier: Apache-2.0
// Three real keeper processes, each started by its own launcher as another make of simulated
// hardware, form an epoch through a gateway over HTTP, and answer a worker over HTTP.
import { decodeOpened, HttpJson, KeeperClient, openAnswerInfo } from '@cloister/api';
import {
  type Make,
  measureProgram,
  type RunningNode,
  simulatedPlatform,
  startNode,
} from '@cloister/attester';
import { encodeEvent } from '@cloister/contract';
import { fromHex, isCoded, type Signer, systemClock, toBase64, toHex } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { readExposition } from '@cloister/testkit';
import { hpkeOpen } from '@cloister/threshold/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Committee, OPERATORS, rootOf, until } from '../testing/committee.ts';
import { serveGateway, type TestGateway } from '../testing/http-gateway.ts';
import { addDataset, joinTask, proposeTask, sealOpeningsTo } from '../testing/task.ts';
import type { KeeperConfigInput } from './config.ts';

let committee: Committee;
let gateway: TestGateway;
const nodes: RunningNode[] = [];

beforeAll(async () => {
  const { measurements } = await measureProgram({ role: 'keeper' });
  committee = await Committee.create({ at: Date.now(), keeperMeasurements: measurements });
  gateway = await serveGateway(committee.ledger, committee.blobs);
  const started = Object.entries(OPERATORS).map(([operator, make]) => start(operator, make));
  nodes.push(...(await Promise.all(started)));
});

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop(3_000)));
  await gateway.close();
});

function start(operator: string, make: Make): Promise<RunningNode> {
  const { world } = committee;
  const config: KeeperConfigInput = {
    name: `keeper-${operator}`,
    genesis: toHex(world.genesis),
    charter: toBase64(encodeEvent(null, 'charter', world.charter)),
    operator,
    environment: `keeper-${make}`,
    gateways: [gateway.address],
    patienceMs: 20_000,
  };
  return startNode({
    platform: simulatedPlatform({ make, developmentRoot: rootOf(make) }),
    role: 'keeper',
    config,
    operator: { id: operator, signer: world.operator(operator) },
    genesis: world.genesis,
    environment: `keeper-${make}`,
    stdio: { stdout: 'ignore', stderr: 'ignore' },
  });
}

function clientOf(node: RunningNode, signer: Signer): KeeperClient {
  const { genesis } = committee.world;
  const sign = { signer, issuer: 'worker', genesis, crypto: nodeCrypto, clock: systemClock };
  return new KeeperClient(new HttpJson({ base: String(node.ready['address']), sign }));
}

describe('three keeper processes', () => {
  it('form an epoch and open for an approved worker over HTTP', async () => {
    const joins = nodes.map((node) => fromHex(String(node.ready['join'])));
    await committee.world.nameEpoch({ joins }, 'bank');
    await until(() => committee.world.state.activeEpoch !== null, 'an active epoch', 20_000);
    const hospital = await addDataset(committee, 'hospital');
    const task = await proposeTask(committee, [hospital]);
    const worker = await joinTask(committee, task);
    const points = [];
    for (const node of nodes) {
      const client = clientOf(node, worker.signer);
      const names = { join: worker.join, keeper: fromHex(String(node.ready['join'])) };
      const nonce = new Uint8Array(32).fill(7);
      const drawn = await client.challenge({ ...names, nonce });
      expect(await client.challenge({ ...names, nonce })).toEqual(drawn);
      const health = await client.health();
      expect(health).toMatchObject({ ok: true, role: 'keeper', state: 'holding', simulated: true });
      const keeperJoin = committee.world.state.joins.get(String(health.join));
      const answer = await client.open({
        ...names,
        freshness: await committee.ledger.freshness([drawn]),
        openings: sealOpeningsTo(committee, keeperJoin?.body.hpke as Uint8Array, task.openings),
      });
      const { epoch, seat, sealed } = answer;
      const info = openAnswerInfo(committee.world.genesis, { join: worker.join, epoch, seat });
      const aad = new Uint8Array(0);
      points.push(decodeOpened(hpkeOpen({ keyPair: worker.hpke, info, aad, sealed })).partials);
      expect((await client.prove(names)).proof.length).toBe(64);
    }
    expect(points.map((list) => list.map(({ column }) => column))).toEqual(
      Array(3).fill([0, 1, 3]),
    );
  });

  it('hear a join only from its own key, and answer no stranger', async () => {
    const [node] = nodes as [RunningNode];
    const hospital = await addDataset(committee, 'hospital');
    const worker = await joinTask(committee, await proposeTask(committee, [hospital]));
    const stranger = clientOf(node, ephemeralEd25519Signer());
    const codeOf = (promise: Promise<unknown>) =>
      promise.catch((error: unknown) => (isCoded(error) ? error.code : String(error)));
    const keeper = fromHex(String(node.ready['join']));
    const asked = { join: worker.join, keeper, nonce: new Uint8Array(32) };
    expect(await codeOf(stranger.challenge(asked))).toBe('open-other-key');
    const unsigned = new KeeperClient(new HttpJson({ base: String(node.ready['address']) }));
    expect(await codeOf(unsigned.challenge(asked))).toBe('request-unauthenticated');
    const mine = clientOf(node, worker.signer);
    const unknown = { ...asked, join: new Uint8Array(32) };
    expect(await codeOf(mine.challenge(unknown))).toBe('join-unknown');
    expect(await codeOf(mine.prove(asked))).toBe('open-unanswered');
    // What was signed for another keeper is nothing here, whoever brings it.
    const [, next] = nodes as [RunningNode, RunningNode];
    const other = { ...asked, keeper: fromHex(String(next.ready['join'])) };
    const openings = new Uint8Array(9);
    const attempts = [
      mine.challenge(other),
      mine.open({ ...other, freshness: ['a'], openings }),
      mine.prove(other),
    ];
    for (const attempt of attempts) expect(await codeOf(attempt)).toBe('open-other-keeper');
    const raw = (path: string, body: string) =>
      fetch(`${node.ready['address']}${path}`, { method: 'POST', body }).then((r) => r.status);
    expect(await raw('/v1/open', '{')).toBe(401);
    expect(await raw('/v1/nothing', '{}')).toBe(404);
    expect(await raw('/v1/open', ' '.repeat(17 * 1_048_576)).catch(() => 413)).toBe(413);
  });

  it('print metrics, and end by SIGTERM', async () => {
    const [node] = nodes as [RunningNode];
    const text = await fetch(`${node.ready['address']}/metrics`).then((r) => r.text());
    expect([...readExposition(text).keys()]).toContain('cloister_keeper_requests_total');
    expect(text).toMatch(/^cloister_keeper_holding 1$/m);
    expect(text).toMatch(/^cloister_keeper_opens_total 1$/m);
    expect(text).toMatch(/^# TYPE cloister_keeper_ledger_size gauge$/m);
    expect(await node.stop(5_000)).toEqual({ code: 0, signal: null });
  });
});

it('a keeper with another charter says why, and its process ends', async () => {
  const { world } = committee;
  const config: KeeperConfigInput = {
    name: 'keeper-bank',
    genesis: toHex(world.genesis),
    charter: toBase64(encodeEvent(null, 'charter', { ...world.charter, name: 'Another' })),
    operator: 'bank',
    environment: 'keeper-optee',
    gateways: [gateway.address],
  };
  const attempt = startNode({
    platform: simulatedPlatform({ make: 'optee', developmentRoot: rootOf('optee') }),
    role: 'keeper',
    config,
    operator: { id: 'bank', signer: world.operator('bank') },
    genesis: world.genesis,
    environment: 'keeper-optee',
    stdio: { stdout: 'ignore', stderr: 'ignore' },
  });
  await expect(attempt).rejects.toMatchObject({
    code: 'node-start-failed',
    message: expect.stringContaining('founding-charter-mismatch'),
  });
});
