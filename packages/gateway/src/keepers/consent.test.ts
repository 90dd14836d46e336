// SPDX-License-Identifier: Apache-2.0
// What a gateway consents to by itself, what it leaves to people, and what it consents to in no
// case. The bank's gateway is real; the rule is asked here for the hospital, over what the bank
// follows; the insurer's events are written by the world.
import type { Appraiser } from '@cloister/contract';
import { equal, fromHex, Lane, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  accepted,
  charterSpecimen,
  type Node,
  namedSigner,
  START_MS,
  World,
} from '@cloister/testkit/world';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAmongKeepers, codeOf, eventually } from '../../testing/federation.ts';
import { QuietDays } from '../../testing/quiet-days.ts';
import type { Gateway } from '../context.ts';
import { Consents } from './consent.ts';

let { federation, world, bank } = await bankAmongKeepers();
const told: string[] = [];
const log = pino({ level: 'info' }, { write: (line) => void told.push(line) });
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
  return new Consents({ ...gateway, card, keys, log, statements: new Lane() });
}

async function joined(operator: string): Promise<Node> {
  await federation.catchUp();
  const node = await world.joinKeeper(operator);
  await federation.publish();
  await eventually(() => state().joins.has(toHex(node.id)));
  return node;
}

/** How often the hospital has consented to an epoch. */
function saidOf(id: string): number {
  const { follower } = bank.gateway;
  const events = Array.from({ length: follower.size }, (_, seq) => follower.record(seq)?.event);
  return events.filter((event) => {
    const ours = event !== undefined && equal(event.signer, world.identity('hospital').key);
    return ours && event.kind === 'consent' && toHex(event.body.epoch) === id;
  }).length;
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
    const node = await joined('insurer');
    const due = { joins: [node.id, ...active().slice(1)], from: from() };
    expect(wants(await proposed(due, consents))?.has('hospital')).toBe(true);
  });

  it('to a reshare that is due, and to no other seats', async () => {
    const node = await joined('insurer');
    const due = [node.id, ...active().slice(1)];
    const id = await proposed({ joins: due, from: from() });
    expect(wants(id)?.has('hospital')).toBe(true);
    expect(told.join()).toContain('consented to an epoch');
    await hospital().consider();
    expect(saidOf(id)).toBe(1);
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
    expect(told.join()).toContain('keepers come again too often');
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
    const unknown = ['00'.repeat(32), ...joins.slice(1).map(toHex)];
    expect(await codeOf(bank.admin.formEpoch(unknown, toHex(from())))).toBe('join-unknown');
  });
});

/** A charter under which each operator has a second machine for a keeper. */
function withSecondMachines() {
  const charter = charterSpecimen();
  const operators = charter.operators.map((one, i) => {
    const [first] = one.hardware;
    const second = { tee: first?.tee ?? '', id: new Uint8Array(16).fill(i + 1) };
    return { ...one, hardware: [...one.hardware, second] };
  });
  return { ...charter, operators };
}

describe('a gateway whose ledger and hardware are made up here', () => {
  let days: QuietDays;
  const fallen = new Set<string>();
  const appraise = async (_: unknown, join: string) => {
    const mismatch = { code: 'tcb-not-allowed', wanted: '', got: '' };
    return fallen.has(join) ? { ok: false, mismatch } : { ok: true };
  };
  const consentsOf = (appraiser: unknown) => {
    const gateway = days.gateways.get('hospital') as Gateway;
    return new Consents({ ...gateway, appraiser: appraiser as Appraiser });
  };

  /** A keeper on the second machine of an operator. */
  async function joinedBeside(operator: string): Promise<Uint8Array> {
    const name = `second/${operator}`;
    const [, , second] =
      days.world.charter.operators.find(({ id }) => id === operator)?.hardware ?? [];
    const plain = days.world.joinBody(operator, 'keeper', name);
    const body = { ...plain, hardware: second?.id as Uint8Array };
    const signer = namedSigner('consent', name);
    return accepted(await days.world.submit(await days.world.joinBytes(signer, body)));
  }

  it('consents to another key only once too few hold this one', async () => {
    const own = new World({}, withSecondMachines());
    await own.found();
    await own.tickAll(START_MS);
    days = new QuietDays(own);
    const { nodes } = await own.formEpoch();
    const [insurer, ...others] = nodes as [Node, ...Node[]];
    const joins = [insurer.id];
    for (const { id, body } of others) {
      fallen.add(toHex(id));
      joins.push(await joinedBeside(body.operator));
    }
    const id = toHex(await own.must(own.identity('insurer'), 'epoch', { joins }));
    const by = () => [...(own.state.proposals.get(id)?.consents ?? [])];
    // They hold shares as long as they run.
    await consentsOf({ appraise }).consider();
    expect(by()).toEqual(['insurer']);
    for (const { body } of others) {
      fallen.add(toHex((await own.joinKeeper(body.operator)).id));
    }
    await consentsOf({ appraise }).consider();
    expect(by()).toEqual(['insurer', 'hospital']);
  });

  it('takes a fault of its own for no plan', async () => {
    const appraise = async () => {
      throw new TypeError('ours');
    };
    const joins = [...days.world.keepers.values()].slice(0, 3).map(({ id }) => id);
    await days.world.must(days.world.identity('bank'), 'epoch', { joins });
    await expect(consentsOf({ appraise }).consider()).rejects.toThrow(TypeError);
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
    await federation.close();
    ({ federation, world, bank } = await bankAmongKeepers({ seats: 2, threshold: 1 }));
    const other = await joined('bank');
    const put = federation.putEverywhere.bind(federation);
    federation.putEverywhere = async (bytes) => nodeCrypto.digest('sha256', bytes);
    await joined('insurer');
    federation.putEverywhere = put;
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
