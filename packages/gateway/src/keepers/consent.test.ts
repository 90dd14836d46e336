// SPDX-License-Identifier: Apache-2.0
// What a gateway consents to by itself, what it leaves to people, and what it consents to in no
// case. The bank's gateway is real; the rule is asked here for the hospital, over what the bank
// follows; the insurer's events are written by the world.
import { fromHex, Lane, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { Node, World } from '@cloister/testkit/world';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  codeOf,
  eventually,
  Federation,
  type Started,
  settled,
  withKeepers,
} from '../../testing/federation.ts';
import { Consents } from './consent.ts';

let federation: Federation;
let bank: Started;
let world: World;

beforeAll(async () => {
  federation = await Federation.create(withKeepers);
  ({ world } = federation);
  bank = await federation.start('bank');
  await settled(bank);
});
afterAll(() => federation.close());

const state = () => bank.gateway.follower.state;
const wants = (id: string) => state().proposals.get(id)?.consents;

/** The insurer proposes; answers once the hospital has looked at it. */
async function proposed(
  body: { joins: Uint8Array[]; from?: Uint8Array },
  consents = hospital(),
): Promise<string> {
  await federation.catchUp();
  const id = toHex(await world.must(world.identity('insurer'), 'epoch', body));
  await federation.publish();
  await eventually(() => state().proposals.has(id));
  await consents.consider();
  return id;
}

/** The hospital's rule, which has consented to nothing in this life. */
function hospital(): Consents {
  const { gateway } = bank;
  const card = { ...gateway.card, id: 'hospital' };
  const keys = { ...gateway.keys, identity: world.identity('hospital') };
  return new Consents({ ...gateway, card, keys, statements: new Lane() });
}

async function joined(operator: string): Promise<Node> {
  await federation.catchUp();
  const node = await world.joinKeeper(operator);
  await federation.publish();
  await eventually(() => state().joins.has(toHex(node.id)));
  return node;
}

const active = () =>
  state()
    .epochs.get(state().activeEpoch ?? '')
    ?.joins.map((j) => fromHex(j)) ?? [];
const from = () => fromHex(state().activeEpoch ?? '');

describe('a gateway consents by itself', () => {
  it('to no other key while enough keepers hold this one', async () => {
    const id = await proposed({ joins: active() });
    expect([...(wants(id) ?? [])]).toEqual(['insurer']);
  });

  it('to fresh shares for the same seats, in whatever order, once a week', async () => {
    const consents = hospital();
    const turned = [...active().slice(1), ...active().slice(0, 1)];
    const first = await proposed({ joins: turned, from: from() }, consents);
    expect(wants(first)?.has('hospital')).toBe(true);
    const second = await proposed({ joins: active(), from: from() }, consents);
    expect(wants(second)?.has('hospital')).toBe(false);
  });

  it('to a reshare that is due, and to no other seats', async () => {
    const node = await joined('insurer');
    const due = [node.id, ...active().slice(1)];
    const id = await proposed({ joins: due, from: from() });
    expect(wants(id)?.has('hospital')).toBe(true);
    const old = await proposed({ joins: active(), from: from() });
    expect(wants(old)?.has('hospital')).toBe(false);
  });

  it('to keepers of one operator that come again only so often, others apart', async () => {
    const consents = hospital();
    const [, ...others] = active();
    const again = async () => {
      const node = await joined('insurer');
      return proposed({ joins: [node.id, ...others], from: from() }, consents);
    };
    const said: boolean[] = [];
    for (let i = 0; i < 9; i++) said.push(wants(await again())?.has('hospital') === true);
    expect(said).toEqual([...Array(8).fill(true), false]);
  });

  it('to no seat whose evidence nobody has, nor does it when a person says so', async () => {
    const put = federation.putEverywhere.bind(federation);
    federation.putEverywhere = async (bytes) => nodeCrypto.digest('sha256', bytes);
    const node = await joined('hospital');
    federation.putEverywhere = put;
    const [insurer, , own] = active();
    const joins = [insurer as Uint8Array, node.id, own as Uint8Array];
    const id = await proposed({ joins, from: from() });
    expect(await codeOf(bank.admin.consent(id))).toBe('blob-not-found');
    expect([...(wants(id) ?? [])]).toEqual(['insurer']);
  });

  it('to no seat whose evidence is of other keys, nor does a person by its gateway', async () => {
    const honest = world.evidenceOf as NonNullable<World['evidenceOf']>;
    world.evidenceOf = (signing, join) => honest(signing, { ...join, tls: new Uint8Array(32) });
    const node = await joined('hospital');
    world.evidenceOf = honest;
    const [insurer, , own] = active();
    const joins = [insurer as Uint8Array, node.id, own as Uint8Array];
    const id = await proposed({ joins, from: from() });
    expect(await codeOf(bank.admin.consent(id))).toBe('keeper-not-standing');
    expect(await codeOf(bank.admin.formEpoch(joins.map(toHex), toHex(from())))).toBe(
      'keeper-not-standing',
    );
    expect([...(wants(id) ?? [])]).toEqual(['insurer']);
  });
});

describe('a person consents', () => {
  it('to what the gateway does not by itself, once its seats stand here', async () => {
    const id = await proposed({ joins: active() });
    expect(wants(id)?.has('bank')).toBe(false);
    await bank.admin.consent(id);
    await eventually(() => wants(id)?.has('bank') === true);
    expect(await bank.admin.attempt(id)).toMatchObject({
      status: 'proposed',
      agreed: { by: ['bank', 'insurer'], wanted: 3 },
    });
    expect(await codeOf(bank.admin.consent(id))).toBe('event-void');
    expect(await codeOf(bank.admin.consent('00'.repeat(32)))).toBe('consent-unknown');
  });
});

describe('a gateway leaves to people', () => {
  it('whether another operator has a seat, also when a keeper is not to be seen', async () => {
    const few = await Federation.create(withKeepers, { seats: 2, threshold: 1 });
    await federation.close();
    [federation, world, bank] = [few, few.world, await few.start('bank')];
    await settled(bank);
    const other = await joined('bank');
    const put = few.putEverywhere.bind(few);
    few.putEverywhere = async (bytes) => nodeCrypto.digest('sha256', bytes);
    await joined('insurer');
    few.putEverywhere = put;
    expect(await bank.admin.planRotation({})).toMatchObject({
      kind: 'reshare',
      seats: [{ operator: 'bank' }, { operator: 'hospital' }],
    });
    const id = await proposed({ joins: [other.id, active()[1] as Uint8Array], from: from() });
    expect([...(wants(id) ?? [])]).toEqual(['insurer']);
    await bank.admin.consent(id);
    await eventually(() => wants(id)?.has('bank') === true);
  });
});
