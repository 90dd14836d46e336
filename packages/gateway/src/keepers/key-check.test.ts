// SPDX-License-Identifier: Apache-2.0
// A gateway seals to no key that it has not checked itself: a keeper whose evidence does not stand,
// evidence that nobody has, keepers that agree on another key than they dealt. What was refused is
// sealed by itself as soon as it holds.
import type { EventBody } from '@cloister/contract';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { Node, World } from '@cloister/testkit/world';
import { parseReveal, transcriptHash } from '@cloister/threshold';
import { generateHpkeKeyPair } from '@cloister/threshold/node';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAmongKeepers, codeOf, eventually } from '../../testing/federation.ts';

const { federation, world, bank } = await bankAmongKeepers();
let count = 0;
afterAll(() => federation.close());

/** Adds a dataset and answers the refusal's code, or `accepted`. */
async function add(): Promise<string> {
  count += 1;
  const { upload } = await bank.admin.upload('d.csv', new Blob(['id,age\n1,30\n2,41\n']));
  const policy = {
    ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
    limits: { runs: 'none', days: 'none' },
    columns: { id: { rule: 'reveal' } },
  };
  const price = { currency: 'EUR' };
  return codeOf(bank.admin.addDataset({ uploads: [upload], name: `d${count}`, policy, price }));
}

/** The world makes an epoch, with evidence that `bend` changed, and the gateway follows it. */
async function another(
  bend?: World['evidenceOf'],
  form: () => Promise<{ id: Uint8Array }> = () => world.formEpoch(),
) {
  const honest = world.evidenceOf;
  if (bend !== undefined) world.evidenceOf = bend;
  await federation.catchUp();
  const formed = await form();
  world.evidenceOf = honest;
  await federation.publish();
  await eventually(() => bank.gateway.follower.state.activeEpoch === toHex(formed.id));
  return formed;
}

const mine = async () =>
  (await bank.admin.datasets()).filter((d) => d.owner === 'bank').map((d) => d.groupKey);

describe('a gateway', () => {
  it('seals to a key whose keepers stand, and shows what it computed', async () => {
    expect(await add()).toBe('accepted');
    const { ceremony, fault, holdings, transcript, keepers } = await bank.admin.keepers();
    const { epoch } = await bank.admin.status();
    expect(fault).toBeNull();
    expect(ceremony).toMatchObject({ groupKey: epoch?.groupKey, transcript });
    expect(ceremony?.dealers).toEqual(
      ['insurer', 'hospital', 'bank'].map((operator, i) => ({
        seat: i + 1,
        operator,
        commitments: 2,
      })),
    );
    expect(holdings).toHaveLength(4);
    expect(holdings.every(({ seats, most }) => seats === 1 && most === 1)).toBe(true);
    expect(keepers.every((keeper) => keeper.accepted && keeper.checks.length > 5)).toBe(true);
  });

  it('seals nothing, new or again, to a key of a keeper that does not stand', async () => {
    const honest = world.evidenceOf as NonNullable<World['evidenceOf']>;
    await world.addDataset('insurer');
    // The hospital's keeper quotes for other keys than those in its join.
    await another((signing, join) =>
      honest(signing, join.operator === 'hospital' ? { ...join, tls: new Uint8Array(32) } : join),
    );
    expect(await add()).toBe('keeper-not-standing');
    expect(await codeOf(bank.admin.resealDatasets())).toBe('keeper-not-standing');
    const { fault, keepers } = await bank.admin.keepers();
    expect(fault?.code).toBe('keeper-not-standing');
    expect(fault?.sentence).toMatch(/seat 2 \(hospital\).*report-data-mismatch.*wanted .*got /);
    const seated = keepers.filter((keeper) => keeper.seat !== null);
    expect(seated.map((keeper) => keeper.accepted)).toEqual([true, false, true]);
    expect(await bank.admin.resealing()).toMatchObject([
      {
        owner: 'bank',
        sealed: 0,
        waiting: [{ name: 'd1' }],
        fault: { code: 'keeper-not-standing' },
      },
      { owner: 'insurer', sealed: 0, waiting: [{ version: 1 }], answers: false, fault: null },
    ]);
    expect(await mine()).toEqual(['superseded']);
  });

  it('waits for evidence that cannot be had, and seals by itself when it is there', async () => {
    const kept: Uint8Array[] = [];
    const honest = world.evidenceOf as NonNullable<World['evidenceOf']>;
    const put = federation.putEverywhere.bind(federation);
    federation.putEverywhere = async (bytes) => {
      kept.push(bytes);
      return nodeCrypto.digest('sha256', bytes);
    };
    await another(honest);
    federation.putEverywhere = put;
    expect(await add()).toBe('blob-not-found');
    const unseen = await bank.admin.keepers();
    expect(unseen).toMatchObject({ ceremony: null, fault: { code: 'blob-not-found' } });
    expect(unseen.keepers.filter((keeper) => !keeper.accepted)).toHaveLength(4);
    expect(await mine()).toEqual(['superseded']);
    for (const bytes of kept) await put(bytes);
    await world.tickAll(world.state.clock + 1);
    await federation.publish();
    await eventually(async () => (await mine()).every((state) => state === 'current'));
    expect(await add()).toBe('accepted');
  });

  it('seals nothing to a key that all keepers swear to and none of them dealt', async () => {
    const { publicKey: groupKey } = generateHpkeKeyPair();
    await another(undefined, () => sworn(groupKey));
    expect(await add()).toBe('epoch-acknowledgements');
    const { fault, ceremony } = await bank.admin.keepers();
    expect(fault).toMatchObject({ code: 'epoch-acknowledgements' });
    expect(ceremony).toBeNull();
    expect(new Set(await mine())).toEqual(new Set(['superseded']));
  });
});

/** All keepers together acknowledge `groupKey`, whatever they dealt. */
async function sworn(groupKey: Uint8Array) {
  const nodes: Node[] = [];
  for (const { id } of world.charter.operators) nodes.push(await world.joinKeeper(id));
  const joins = nodes.map((node) => node.id);
  const id = await world.nameEpoch({ joins }, 'bank');
  const dealings = world.deal(id, nodes.length);
  for (const [i, node] of nodes.entries()) {
    await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
  }
  for (const [i, node] of nodes.entries()) {
    const body = world.revealBody(id, i + 1, dealings, nodes.length);
    await world.must(node.signer, 'reveal', body);
  }
  const reveals = dealings.map(({ reveal }) => parseReveal(reveal));
  const transcript = transcriptHash({ reveals, n: nodes.length });
  for (const [i, node] of nodes.entries()) {
    const body: EventBody<'ack'> = { epoch: id, seat: i + 1, transcript, groupKey };
    await world.must(node.signer, 'ack', body);
  }
  return { id };
}
