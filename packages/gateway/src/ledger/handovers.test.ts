// SPDX-License-Identifier: Apache-2.0
// Handovers as a gateway gathers, keeps and serves them: only what hands over its own tree.
import { systemClock, systemTimers as timers } from '@cloister/core';
import { nodeCrypto as crypto } from '@cloister/core/node';
import { accepted, amending, World } from '@cloister/testkit/world';
import {
  cosign,
  formatCheckpoint,
  formatNote,
  logOrigin,
  type TreeHead,
  Witness,
} from '@cloister/tlog';
import { describe, expect, it } from 'vitest';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { Follower } from './follower.ts';
import { Handovers } from './handovers.ts';
import { WitnessService } from './witness-service.ts';

const { amend, keysNamed, memberNamed, sign } = amending;

type Peer = {
  cosign: (head: TreeHead) => Promise<string>;
  handovers: (from: number) => Promise<string[]>;
};

/** The bank's witness key is another one since the last entry. */
async function rotated(keys = 'bank-2'): Promise<World> {
  const world = await World.create();
  const change = (draft: amending.CharterDraft) => {
    draft.members = draft.members.map((one) =>
      one.id === 'bank' ? { ...one, witness: memberNamed(world, 'bank', keys).witness } : one,
    );
  };
  const amendment = await amend(world, change, { signers: ['bank', 'hospital'] });
  const { witness } = keysNamed(world, keys);
  accepted(await sign(world, amendment, { signer: world.identity('bank'), witness }));
  return world;
}

function signing(world: World, id: string, keys = id): Peer['cosign'] {
  return async (head) => {
    const checkpoint = { origin: logOrigin(world.genesis), ...head };
    const line = await cosign(
      crypto,
      { name: id, signer: world.witness(keys), timeSeconds: 1 },
      checkpoint,
    );
    return formatNote(formatCheckpoint(checkpoint), [line]);
  };
}

const none = async (): Promise<string[]> => [];

/** The insurer's gateway over this world's entries, and the notes that it keeps. */
async function gateway(world: World, peers: Record<string, Peer>) {
  const copy = new MemoryLedger(world.log);
  const { genesis } = world;
  const follower = new Follower({ ledger: copy, copy, genesis, crypto, timers });
  await follower.replay();
  let kept: Uint8Array | undefined;
  const witness = await Witness.create({
    crypto,
    clock: systemClock,
    name: 'insurer',
    signer: world.witness('insurer'),
    origin: logOrigin(genesis),
    store: {
      load: async () => kept,
      save: async (bytes) => {
        kept = bytes;
      },
    },
    tree: follower.tree,
  });
  const others = new Map(Object.entries(peers)) as never;
  const origin = logOrigin(genesis);
  const service = new WitnessService({
    ...{ witness, origin, follower, peers: others, crypto, timers },
    catchUpMs: 100,
  });
  const notes = new Map<number, string>();
  const store = {
    read: async (version: number) => notes.get(version),
    write: async (version: number, note: string) => void notes.set(version, note),
  };
  const of = { genesis, crypto, follower, witness: service, peers: others, notes: store };
  return { handovers: new Handovers(of), notes, follower };
}

describe('a handover', () => {
  it('is gathered from the witnesses whose keys stay, kept and served', async () => {
    const world = await rotated();
    const peers = { hospital: { cosign: signing(world, 'hospital'), handovers: none } };
    const { handovers, notes, follower } = await gateway(world, peers);
    expect(follower.crossings.map(({ before }) => before.version)).toEqual([1]);
    expect(await handovers.complete()).toBe(true);
    expect(await handovers.list(1)).toEqual([notes.get(1)]);
    expect(await handovers.list(2)).toEqual([]);
  });

  it('is not had from the new key, and asked for again', async () => {
    const world = await rotated();
    const peers = { bank: { cosign: signing(world, 'bank', 'bank-2'), handovers: none } };
    const { handovers, notes } = await gateway(world, peers);
    expect(await handovers.complete()).toBe(false);
    expect([...notes]).toEqual([]);
  });

  it('is taken from a peer that has it, and from no other history', async () => {
    const world = await rotated();
    const first = { hospital: { cosign: signing(world, 'hospital'), handovers: none } };
    const { handovers: theirs } = await gateway(world, first);
    await theirs.complete();
    const other = await rotated('bank-9');
    const second = { hospital: { cosign: signing(other, 'hospital'), handovers: none } };
    const { handovers: forks } = await gateway(other, second);
    await forks.complete();
    const late = (from: Handovers) => ({
      hospital: {
        cosign: signing(world, 'bank', 'bank-2'),
        handovers: (version: number) => from.list(version),
      },
    });
    const forked = await gateway(world, late(forks));
    expect(await forked.handovers.complete()).toBe(false);
    const honest = await gateway(world, late(theirs));
    expect(await honest.handovers.complete()).toBe(true);
    expect(await honest.handovers.list(1)).toEqual(await theirs.list(1));
  });

  it('is none where the witnesses are the same', async () => {
    const world = await World.create();
    await amend(world, (draft) => Object.assign(draft, { name: 'Other' }));
    const { handovers, follower } = await gateway(world, {});
    expect(follower.crossings).toEqual([]);
    expect(await handovers.complete()).toBe(true);
  });
});
