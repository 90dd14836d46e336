// SPDX-License-Identifier: Apache-2.0
// Statements of a member through its gateway: said at once they follow on each other, and one that
// was signed without knowing of another gateway's is void, but for a decline.
import { placed, signEvent } from '@cloister/contract';
import { toHex } from '@cloister/core';
import { namedBytes } from '@cloister/testkit/world';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Federation, type Started, settled, withKeepers } from '../testing/federation.ts';
import { type Gateway, publish } from './context.ts';

let federation: Federation;
let hospital: Started;
let task: Uint8Array;

beforeAll(async () => {
  federation = await Federation.create(async (world, put) => {
    await withKeepers(world, put);
    const dataset = await world.addDataset('hospital');
    task = await world.propose('bank', [dataset]);
  });
  hospital = await federation.start('hospital');
  await settled(hospital);
});
afterAll(() => federation.close());

const asked = () => hospital.gateway.follower.state.tasks.get(toHex(task));

function approval(person: string) {
  const [input] = asked()?.body.inputs ?? [];
  if (input === undefined) throw new Error('the task has no input');
  const { clock } = hospital.gateway.follower.state;
  const window = { from: clock, until: clock + 3_600_000 };
  const much = { statements: 1, budget: 0, runs: 1 };
  return { task, inputs: [input], ...much, ...window, person: namedBytes('person', person) };
}

it('two approvals at once both count', async () => {
  const { gateway } = hospital;
  const records = await Promise.all([
    publish(gateway, 'approve', approval('one')),
    publish(gateway, 'approve', approval('two')),
  ]);
  expect(records.map(({ status }) => status)).toEqual(['accepted', 'accepted']);
  expect([...(asked()?.grants.values() ?? [])][0]?.size).toBe(2);
});

/** This gateway, overtaken: as it appends, another one of the same member has just declined. */
function overtaken(): Gateway {
  const { gateway } = hospital;
  const { ledger } = gateway;
  let first = true;
  const append = async (bytes: Uint8Array) => {
    if (first) await ledger.append(await declineElsewhere());
    first = false;
    return ledger.append(bytes);
  };
  const slow = new Proxy(ledger, {
    get: (of, name) => (name === 'append' ? append : of[name as 'append']),
  });
  return { ...gateway, ledger: slow };
}

function declineElsewhere(): Promise<Uint8Array> {
  const { follower, genesis, keys } = hospital.gateway;
  const said = { task, code: 'elsewhere' };
  const body = placed(follower.state, keys.identity.key, { kind: 'decline', said });
  return signEvent(keys.identity, 'hospital', { genesis, kind: 'decline', body });
}

it('an approval that knows nothing of a decline is void; a decline is said again', async () => {
  const yes = await publish(overtaken(), 'approve', approval('three'));
  expect(yes).toMatchObject({ status: 'void', code: 'statement-not-next' });
  expect(asked()?.declines.get('hospital')).toBe('elsewhere');
  expect(asked()?.grants.size).toBe(0);
  const no = await publish(overtaken(), 'decline', { task, code: 'here' });
  expect(no.status).toBe('accepted');
  expect(asked()?.declines.get('hospital')).toBe('here');
});
