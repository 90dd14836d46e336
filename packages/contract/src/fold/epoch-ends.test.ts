// SPDX-License-Identifier: Apache-2.0
// How attempts at a key end: who was silent in which phase, whom a complaint convicts, and what is
// kept of the attempt.
import { type Signer, toHex } from '@cloister/core';
import { EPOCH_PHASE_MS, START_MS, startEpoch, World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import type { AdmittedEvent } from '../events/event.ts';
import { foldComplaint } from './epoch-ends.ts';
import type { Epoch } from './state.ts';

const ID = new Uint8Array(32).fill(9);

/** An attempt of three seats of which all have committed. */
async function committed() {
  const world = await World.create();
  const { id, nodes } = await startEpoch(world);
  const dealings = world.deal(id, nodes.length);
  const signers = nodes.map(({ signer }) => signer) as [Signer, Signer, Signer];
  for (const [i, signer] of signers.entries()) {
    await world.must(signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
  }
  const epoch = world.state.epochs.get(toHex(id)) as Epoch;
  const reveal = (seat: number) =>
    world.must(signers[seat - 1] as Signer, 'reveal', world.revealBody(id, seat, dealings, 3));
  return { world, id, epoch, signers, reveal, joins: nodes.map((node) => toHex(node.id)) };
}

const overdue = (world: World) => world.tickAll(START_MS + EPOCH_PHASE_MS + 1);

describe('an overdue attempt', () => {
  it('is the fault of the dealers that have not revealed, and of nobody else', async () => {
    const { world, epoch, reveal, joins } = await committed();
    await reveal(2);
    await overdue(world);
    expect(epoch.end).toMatchObject({ code: 'deadline', faults: [joins[0], joins[2]] });
  });

  it('is the fault of the seats that have not acknowledged', async () => {
    const { world, id, epoch, reveal, signers, joins } = await committed();
    for (const seat of [1, 2, 3]) await reveal(seat);
    const ack = { epoch: id, seat: 3, transcript: ID, groupKey: world.datasetBody().groupKey };
    await world.must(signers[2], 'ack', ack);
    await overdue(world);
    expect(epoch.end).toMatchObject({ code: 'deadline', faults: joins.slice(0, 2) });
  });

  it('keeps nothing that was dealt in it', async () => {
    const { world, epoch, reveal } = await committed();
    await reveal(1);
    await overdue(world);
    const { commits, receiving, reveals } = epoch;
    expect([commits, receiving, reveals].map(({ size }) => size)).toEqual([0, 0, 0]);
  });
});

describe('an accusation', () => {
  it('of a seat that the attempt does not have is nobody’s', async () => {
    const { world, id, signers } = await committed();
    const body = { epoch: id, seat: 4, against: 1, code: 'x', wanted: '', got: '' };
    const { outcome } = await world.put(signers[0], 'epoch-abort', body);
    expect(outcome).toMatchObject({ code: 'seat-not-signer' });
  });

  it.each<[string, object, Uint8Array[]]>([
    ['the reveal of another dealer', {}, [ID]],
    ['a reveal that nobody committed to', { commit: ID }, []],
  ])('that is upheld over %s convicts its author', async (_what, reveals, commits) => {
    const { world, id, epoch, reveal, signers, joins } = await committed();
    await reveal(1);
    epoch.commits = new Map(commits.map((commit) => [1, commit]));
    const body = { epoch: id, seat: 2, against: 1, complaint: ID };
    const judged = { deal: ID, recipientKey: ID, reason: 'deal-invalid', ...reveals };
    const event = { kind: 'complaint', body, signer: signers[1].key, upheld: true, judged };
    expect(foldComplaint(world.state, event as AdmittedEvent<'complaint'>)).toBeUndefined();
    expect(epoch.end).toMatchObject({ code: 'complaint-unfounded', faults: [joins[1]] });
  });
});
