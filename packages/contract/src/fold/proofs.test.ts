// SPDX-License-Identifier: Apache-2.0
// What costs every reader milliseconds is looked at for those alone whom it could serve: proofs for
// the forming epoch's own seats, and a wrong one ends the attempt; receipts for the open run of the
// node that signs; charters for who could bring them into force.
import { type Signer, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { complaintOf, namedPoint, startEpoch, World } from '@cloister/testkit/world';
import { commitHash, encodeComplaint, parseComplaint } from '@cloister/threshold';
import type { Dealing } from '@cloister/threshold/node';
import { expect, it } from 'vitest';
import { type AdmitOptions, admit } from '../events/admit.ts';
import { foldEntry } from './fold.ts';

async function committed() {
  const world = await World.create();
  const { id, nodes } = await startEpoch(world);
  const dealings = world.deal(id, nodes.length);
  for (const [i, node] of nodes.entries()) {
    await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
  }
  const signers = nodes.map((node) => node.signer);
  return { world, id, nodes, dealings, signers };
}

/** Folds one entry; answers what became of it and whether its proofs were looked at. */
async function folded(world: World, bytes: Uint8Array) {
  let proved = false;
  const { outcome } = await foldEntry(world.state, bytes, nodeCrypto, (entry, crypto, options) => {
    const proves: AdmitOptions['proves'] = (event) => {
      proved = options?.proves?.(event) ?? true;
      return proved;
    };
    return admit(entry, crypto, { proves });
  });
  return { proved, code: outcome.status === 'void' ? outcome.code : 'accepted' };
}

const seats = { one: 1, two: 2 };

it('looks at what a dealer proves in its own phase, once', async () => {
  const { world, id, dealings, signers } = await committed();
  const body = world.revealBody(id, seats.one, dealings, 3);
  const by = (signer: Signer, change = {}) => world.sign(signer, 'reveal', { ...body, ...change });
  const [first, second] = signers as [Signer, Signer];
  const other = dealings[1]?.reveal as Uint8Array;
  for (const [bytes, proved, code] of [
    [await by(world.identity('bank')), false, 'seat-not-signer'],
    [await by(second), false, 'seat-not-signer'],
    [await by(first, { epoch: new Uint8Array(32) }), false, 'epoch-unknown'],
    [await by(first, { reveal: other }), false, 'reveal-not-committed'],
    [await by(first), true, 'accepted'],
    [await by(first), false, 'duplicate'],
    [await by(first, { deals: [...body.deals].reverse() }), false, 'seat-already-done'],
  ] as const) {
    expect(await folded(world, bytes)).toEqual({ proved, code });
  }
});

it('ends the attempt by a dealer that proves nothing, and excludes it', async () => {
  const { world, id, nodes, dealings } = await startedWithWrongProof();
  const node = nodes[0];
  const body = world.revealBody(id, seats.one, dealings, 3);
  const bytes = await world.sign(node?.signer as Signer, 'reveal', body);
  expect(await folded(world, bytes)).toEqual({ proved: true, code: 'accepted' });
  const end = world.state.epochs.get(toHex(id))?.end;
  expect(end).toMatchObject({ code: 'reveal-unproved', faults: [toHex(node?.id as Uint8Array)] });
  expect(world.state.joins.get(end?.faults[0] ?? '')?.excluded).toBe('reveal-unproved');
  expect(world.state.formingEpoch).toBeNull();
});

it.each<[string, (world: World, id: Uint8Array, dealings: Dealing[]) => Uint8Array]>([
  ['under another reveal', (world, epoch) => about(world, epoch, world.deal(epoch, 3))],
  // The dealer made it, and revealed another: to be blamed for it, one must have dealt it.
  ['that was never dealt', (world, epoch, dealings) => about(world, epoch, dealings)],
  [
    'under another key than the seat published',
    (world, epoch, dealings) => {
      const recipientKey = namedPoint('proofs', 'another');
      const parsed = parseComplaint(about(world, epoch, dealings));
      return encodeComplaint({ ...parsed, sealed: Uint8Array.from(DEALT), recipientKey });
    },
  ],
])('ends the attempt by a complaint about a deal %s', async (_what, complaintOver) => {
  const { world, id, nodes, dealings, signers } = await committed();
  for (const [i, signer] of signers.entries()) {
    const body = world.revealBody(id, i + 1, dealings, 3);
    await world.must(signer, 'reveal', { ...body, deals: [DEALT, DEALT, DEALT] });
  }
  const complaint = complaintOver(world, id, dealings);
  const body = { epoch: id, seat: seats.two, against: seats.one, complaint };
  const stranger = await world.sign(world.identity('bank'), 'complaint', body);
  expect(await folded(world, stranger)).toEqual({ proved: false, code: 'seat-not-signer' });
  const bytes = await world.sign(signers[1] as Signer, 'complaint', body);
  expect(await folded(world, bytes)).toEqual({ proved: true, code: 'accepted' });
  const at = toHex(nodes[1]?.id as Uint8Array);
  const { end } = world.state.epochs.get(toHex(id)) ?? {};
  expect(end).toMatchObject({ code: 'complaint-unfounded', faults: [at] });
  const again = await world.sign(signers[1] as Signer, 'complaint', { ...body, against: 3 });
  expect(await folded(world, again)).toEqual({ proved: false, code: 'epoch-not-forming' });
});

it('looks at receipts for the open run of the node that signs alone', async () => {
  const world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const task = await world.propose('bank', [claims]);
  await world.approve('insurer', task, [claims]);
  const [worker, other] = [
    await world.joinWorker('bank', task),
    await world.joinWorker('bank', task),
  ];
  const body = await world.usageBody(worker);
  for (const [signer, proved, code] of [
    [world.identity('bank'), false, 'not-a-node'],
    [other.signer, false, 'run-not-signer'],
    [worker.signer, true, 'accepted'],
    [worker.signer, false, 'run-already-recorded'],
  ] as const) {
    const bytes = await world.sign(signer, 'usage', body);
    expect(await folded(world, bytes)).toEqual({ proved, code });
  }
  const again = await world.sign(worker.signer, 'usage', { ...body, receipts: [] });
  expect((await folded(world, again)).proved).toBe(false);
});

it('looks at a charter where its signer could bring it into force', async () => {
  const world = new World();
  const other = { ...world.charter, name: 'another tenancy' };
  const by = (charter: typeof world.charter) =>
    world.sign(world.identity('bank'), 'charter', charter);
  expect(await folded(world, await by(other))).toEqual({ proved: false, code: 'wrong-genesis' });
  expect(await folded(world, await by(world.charter))).toEqual({ proved: true, code: 'accepted' });
  await world.must(world.identity('insurer'), 'charter', world.charter);
  await world.must(world.identity('hospital'), 'charter', world.charter);
  const late = await folded(world, await by(world.charter));
  expect(late).toEqual({ proved: false, code: 'charter-in-force' });
  const next = { ...world.charter, version: 2, name: 'renamed' };
  const before = world.state.charterDigest as Uint8Array;
  const amend = (signer: Signer) => world.sign(signer, 'amend', { before, charter: next });
  const stranger = await amend(world.operator('bank'));
  expect(await folded(world, stranger)).toEqual({ proved: false, code: 'not-a-member' });
  const member = await folded(world, await amend(world.identity('bank')));
  expect(member).toEqual({ proved: true, code: 'accepted' });
});

/** What every dealer deals here: bytes that are no deal. */
const DEALT = Uint8Array.of(7);

function about(world: World, epoch: Uint8Array, dealings: Dealing[]): Uint8Array {
  return complaintOf(world, { epoch, dealings, dealtFor: 3 }).complaint;
}

/** An epoch whose first dealer has committed to a reveal with another's proof. */
async function startedWithWrongProof() {
  const world = await World.create();
  const { id, nodes } = await startEpoch(world);
  const dealings = world.deal(id, nodes.length);
  const [first] = dealings;
  const reveal = Uint8Array.from(first?.reveal ?? []);
  reveal[reveal.length - 1] = (reveal.at(-1) as number) ^ 1;
  const commit = commitHash({ genesis: world.genesis, epoch: id, seat: seats.one, reveal });
  dealings[0] = { ...(first as Dealing), reveal, commit };
  for (const [i, node] of nodes.entries()) {
    await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
  }
  return { world, id, nodes, dealings };
}
