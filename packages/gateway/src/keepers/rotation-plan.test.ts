// SPDX-License-Identifier: Apache-2.0
// The plan of a rotation as the ledger goes through the life of a key: who takes the seats, whether
// the key stays, and each refusal with its code. Keepers are a test world with real evidence.

import { fromHex, toHex } from '@cloister/core';
import type { Node, World } from '@cloister/testkit/world';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAmongKeepers, codeOf, eventually, type Started } from '../../testing/federation.ts';

const PHASE_MS = 60_000;

const { federation, world, bank } = await bankAmongKeepers();
afterAll(() => federation.close());

/** Publishes what the world has made; the gateway has followed when it returns. */
async function followed(): Promise<void> {
  await federation.publish();
  const { size } = federation.ledger.ledger.head();
  await bank.gateway.follower.reached(size, 5_000);
  await eventually(() => bank.gateway.follower.size >= size);
}

async function joinAgain(operator: string): Promise<Node> {
  const node = await world.joinKeeper(operator);
  await followed();
  return node;
}

/** What the plan's kind is, or the refusal's code. */
async function kindOf(request: Parameters<Started['admin']['planRotation']>[0] = {}) {
  let kind = '';
  const code = await codeOf(
    bank.admin.planRotation(request).then((plan) => {
      kind = plan.kind;
    }),
  );
  return code === 'accepted' ? kind : code;
}

describe('the plan of a rotation', () => {
  it('is nothing while the newest keepers hold the key, unless asked for', async () => {
    expect(await kindOf()).toBe('none');
    expect(await kindOf({ refresh: true })).toBe('reshare');
  });

  it('deals the key again when one machine has another keeper', async () => {
    const node = await joinAgain('bank');
    const plan = await bank.admin.planRotation({});
    const { activeEpoch } = bank.gateway.follower.state;
    expect(plan).toMatchObject({ kind: 'reshare', from: activeEpoch, leftOut: [], reseal: [] });
    expect(plan.seats.find(({ join }) => join === toHex(node.id))).toMatchObject({ holds: false });
    expect(
      plan.seats
        .filter(({ holds }) => holds)
        .map((s) => s.operator)
        .sort(),
    ).toEqual(['hospital', 'insurer']);
    const why = 'has joined anew, so its old share is gone';
    expect(plan.leaving).toMatchObject([{ operator: 'bank', why }]);
    expect(plan.holdings.every(({ seats, most }) => seats <= most)).toBe(true);
  });

  it('leaves whoever stays in its seat, so that a spare alone can be told from more', async () => {
    const { activeEpoch, epochs } = bank.gateway.follower.state;
    const before = epochs.get(activeEpoch ?? '')?.joins ?? [];
    const { seats } = await bank.admin.planRotation({});
    const same = seats.filter(({ join }, i) => join === before[i]);
    expect(same.map(({ operator }) => operator)).toEqual(['insurer', 'hospital']);
  });

  it('takes the joins that are named, and judges them as the ledger would', async () => {
    const { seats } = await bank.admin.planRotation({});
    const [one, two] = seats.map((seat) => seat.join) as [string, string];
    expect(await kindOf({ joins: [one, two] })).toBe('epoch-impossible');
    expect(await kindOf({ joins: [one, two, two] })).toBe('epoch-impossible');
    expect(await kindOf({ joins: [one, two, '00'.repeat(32)] })).toBe('join-unknown');
    const old = bank.gateway.follower.state.epochs.values().next().value?.joins as string[];
    const twice = seats.find(({ operator }) => operator === 'bank')?.join as string;
    // The old and the new keeper of the bank would be two seats of one operator.
    const both = [twice, old[2] as string, old[0] as string];
    expect(await kindOf({ joins: both })).toBe('epoch-operator-rule');
    const body = { joins: both.map((join) => fromHex(join)) };
    const from = fromHex(world.state.activeEpoch ?? '');
    for (const epoch of [body, { ...body, from }]) {
      const onLedger = await world.fork().put(world.identity('bank'), 'epoch', epoch);
      expect(onLedger.outcome).toMatchObject({ code: 'epoch-operator-rule' });
    }
  });

  it('leaves out a keeper that does not stand, and says why too few are left', async () => {
    const honest = world.evidenceOf as NonNullable<World['evidenceOf']>;
    world.evidenceOf = (signing, join) => honest(signing, { ...join, tls: new Uint8Array(32) });
    const wrong = await joinAgain('insurer');
    world.evidenceOf = honest;
    expect(await kindOf()).toBe('epoch-impossible');
    await expect(bank.admin.planRotation({})).rejects.toThrow(
      /2 keepers have joined and stand.*newest of insurer.*report-data-mismatch.*wanted.*got/,
    );
    const { joins } = bank.gateway.follower.state.epochs.values().next().value ?? { joins: [] };
    const named = [toHex(wrong.id), joins[1] as string, joins[2] as string];
    expect(await kindOf({ joins: named })).toBe('keeper-not-standing');
    await joinAgain('insurer');
  });

  it('asks for a new key when fewer than t holders are left', async () => {
    // Bank and insurer have joined anew: the hospital alone has a share.
    expect(await kindOf()).toBe('epoch-holders-few');
    expect(await kindOf({ newKey: true })).toBe('new-key');
  });

  it('waits for an attempt, and leaves out whom it excluded', async () => {
    const plan = await bank.admin.planRotation({ newKey: true });
    const { id } = await bank.admin.formEpoch(
      plan.seats.map((seat) => seat.join),
      null,
    );
    expect(await bank.admin.attempt(id)).toMatchObject({
      status: 'proposed',
      agreed: { by: ['bank'], wanted: 3 },
    });
    expect(await bank.admin.proposals()).toMatchObject([{ id, member: 'bank', from: null }]);
    await federation.catchUp();
    await world.agreeTo(fromHex(id), 'bank');
    await followed();
    await eventually(() => bank.gateway.follower.state.formingEpoch === id);
    expect(await kindOf({ newKey: true })).toBe('epoch-forming');
    expect(await bank.admin.attempt(id)).toMatchObject({ status: 'forming', phase: 'commit' });
    expect((await bank.admin.attempt(id)).waitsFor).toHaveLength(3);
    const at = bank.gateway.follower.state.clock + PHASE_MS + 1;
    await federation.catchUp();
    await world.tickAll(at);
    await followed();
    await eventually(async () => (await bank.admin.attempt(id)).status === 'ended');
    const { end } = await bank.admin.attempt(id);
    expect(end).toMatchObject({ code: 'deadline', found: [] });
    expect(end?.faults).toHaveLength(3);
    await expect(bank.admin.planRotation({ newKey: true })).rejects.toThrow(
      /0 keepers have joined and stand.*bank was excluded \(deadline\)/,
    );
    // A holder that is started again has lost its share: nobody is told to.
    await expect(bank.admin.planRotation({ newKey: true })).rejects.toThrow(
      /that of hospital was at fault \(deadline\) and holds a share.*let it run/,
    );
    for (const { id: operator } of world.charter.operators) await joinAgain(operator);
    expect(await kindOf({ newKey: true })).toBe('new-key');
    expect(await codeOf(bank.admin.attempt('00'.repeat(32)))).toBe('epoch-unknown');
  });
});
