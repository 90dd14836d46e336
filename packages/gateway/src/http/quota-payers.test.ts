// SPDX-License-Identifier: Apache-2.0
// Who pays for what a node costs: its operator's nodes together, however often they join; never a
// member, never another operator's nodes.
import { type ClientRequest, request } from 'node:http';
import { HttpBlobs, HttpJson, REQUEST_HEADER, signRequest } from '@cloister/api';
import { type Signer, systemClock, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { Node } from '@cloister/testkit/world';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { bankAmongKeepers, codeOf, eventually } from '../../testing/federation.ts';
import { SignerQuota } from './quota.ts';

const GIB = 2 ** 30;
/** Of a payer at once, in pieces of 1 GiB. */
const BURST = 16;

const { federation, world, bank } = await bankAmongKeepers();
const nodes: Node[] = [];
const open: ClientRequest[] = [];

beforeAll(async () => {
  await federation.catchUp();
  for (const operator of ['insurer', 'insurer', 'hospital']) {
    nodes.push(await world.joinKeeper(operator));
  }
  await federation.publish();
  const { id } = nodes[2] as Node;
  await eventually(() => bank.gateway.follower.state.joins.has(toHex(id)));
});
afterAll(() => {
  for (const one of open) one.destroy();
  return federation.close();
});

const facts = () => ({ genesis: world.genesis, crypto: nodeCrypto, clock: systemClock });

function store(signer: Signer): Promise<string> {
  const sign = { signer, issuer: 'test', ...facts() };
  const http = new HttpJson({ base: bank.url, sign });
  return codeOf(new HttpBlobs([http], nodeCrypto).put(utf8('x')));
}

/** Says that it will store 1 GiB, and sends nothing of it; answers the refusal, if any comes. */
async function promise(signer: Signer, name: string): Promise<string> {
  const sha256 = nodeCrypto.digest('sha256', utf8(name));
  const path = `/v1/blobs/${toHex(sha256)}`;
  const { genesis, ...ports } = facts();
  const about = { genesis, method: 'PUT', path, body: { sha256 } };
  const headers = {
    'content-length': String(GIB),
    'content-type': 'application/octet-stream',
    [REQUEST_HEADER]: await signRequest(signer, 'test', about, ports),
  };
  return new Promise((resolve) => {
    const sent = request(`${bank.url}${path}`, { method: 'PUT', headers }, (response) => {
      response.on('data', (part) => resolve(/"code":"([a-z-]+)"/.exec(String(part))?.[1] ?? ''));
    });
    sent.on('error', () => undefined);
    sent.flushHeaders();
    open.push(sent);
  });
}

it('an operator that joins again has no more, and takes nothing of others', async () => {
  const [one, again, other] = nodes as [Node, Node, Node];
  const asked = Array.from({ length: BURST + 1 }, (_, i) => promise(one.signer, String(i)));
  expect(await Promise.race(asked)).toBe('gateway-quota-exceeded');
  expect(await promise(again.signer, 'again')).toBe('gateway-quota-exceeded');
  expect(await store(other.signer)).toBe('accepted');
  for (const role of ['identity', 'witness', 'operator'] as const) {
    expect(await store(world[role]('insurer'))).toBe('accepted');
  }
});

it('what is on the ledger already costs its author nothing, whoever brings it', async () => {
  const [, , { signer, id }] = nodes as [Node, Node, Node];
  const taken = vi.spyOn(SignerQuota.prototype, 'take');
  const post = async (body: Uint8Array) => {
    const headers = { 'content-type': 'application/octet-stream' };
    const sent = { method: 'POST', body: Uint8Array.from(body), headers };
    expect((await fetch(`${bank.url}/v1/events`, sent)).status).toBe(200);
    const payers = taken.mock.calls.map(([payer]) => payer);
    taken.mockClear();
    return payers;
  };
  const about = { task: id, run: id.slice(0, 16), join: id, code: 'none' };
  const failed = await world.sign(signer, 'run-failed', about);
  expect(await post(failed)).toEqual(['nodes of hospital']);
  expect(await post(failed)).toEqual(['repeats of nodes of hospital']);
  const before = bank.gateway.follower.size;
  for (const event of world.log.slice(-3)) expect(await post(event)).toEqual([]);
  expect(bank.gateway.follower.size).toBe(before);
  taken.mockRestore();
});
