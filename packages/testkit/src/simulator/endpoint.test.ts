// SPDX-License-Identifier: Apache-2.0
// Calls: served once however often they are repeated, with codes that travel, and bounded.
import { CodedError } from '@cloister/core';
import { expect, it } from 'vitest';
import { Endpoint } from './endpoint.ts';
import { Network } from './network.ts';

const MESSAGES_LOST_SEED = 3;

function pair(served: string[]) {
  const network = new Network(MESSAGES_LOST_SEED, 3_000);
  const routes = {
    add: async (_: string, { a, b }: { a: number; b: number }) => {
      served.push(`${a}+${b}`);
      return a + b;
    },
    refuse: async () => {
      throw new CodedError('no', 'policy', 'never', { details: { why: 'so' } });
    },
    silent: () => new Promise<never>(() => {}),
  };
  const server = new Endpoint(network, 'server', routes);
  return { network, server, client: new Endpoint(network, 'client') };
}

it('answers each call once, whatever is lost or doubled', async () => {
  const served: string[] = [];
  const { network, client } = pair(served);
  const answers: number[] = [];
  const asked = Array.from({ length: 40 }, (_, i) =>
    client.call<number>('server', 'add', { a: i, b: 1 }),
  );
  for (const one of asked) void one.then((answer) => answers.push(answer));
  await network.run(20_000, () => false);
  expect(answers.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect(served.length).toBe(40);
});

it('carries codes, gives up in time, and hears nothing once it is dead', async () => {
  const { network, server, client } = pair([]);
  const codes: string[] = [];
  const note = (name: string) => (error: CodedError) => codes.push(`${name}: ${error.code}`);
  client.call('server', 'refuse', {}).catch(note('refused'));
  client.call('server', 'silent', {}, 500).catch(note('silent'));
  network.after(4_000, () => {
    server.die();
    client.call('server', 'add', { a: 1, b: 1 }).catch(note('dead'));
  });
  network.after(9_000, () => {
    client.die();
    client.call('server', 'add', { a: 1, b: 1 }).catch(note('after its death'));
  });
  await network.run(30_000, () => false);
  expect(codes).toEqual(['refused: no', 'silent: peer-timed-out', 'dead: peer-timed-out']);
});
