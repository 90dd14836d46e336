// SPDX-License-Identifier: Apache-2.0
// A reader that pinned the genesis follows through changes of witnesses, and only through those
// that the witnesses before have signed.
import { nodeCrypto } from '@cloister/core/node';
import { accepted, amending, START_MS, World } from '@cloister/testkit/world';
import { MerkleTree } from '@cloister/tlog';
import { beforeEach, describe, expect, it } from 'vitest';
import { followerOf, note, peerOf } from '../../testing/peers.ts';
import { mayHandOver, verifyHandover } from './handover.ts';

const { amend, keysNamed, memberNamed, sign } = amending;
const MEMBERS = ['insurer', 'hospital', 'bank'];

let world: World;

beforeEach(async () => {
  world = await World.create();
});

/** The bank's witness key becomes `<keys>/witness`, by itself and another member. */
async function rotate(of: World, keys: string): Promise<void> {
  const amendment = await amend(
    of,
    (draft) => {
      draft.members = draft.members.map((one) =>
        one.id === 'bank' ? { ...one, witness: memberNamed(of, 'bank', keys).witness } : one,
      );
    },
    { signers: ['bank', 'hospital'] },
  );
  const { witness } = keysNamed(of, keys);
  accepted(await sign(of, amendment, { signer: of.identity('bank'), witness }));
}

const OLD = Object.fromEntries(MEMBERS.map((id) => [id, id]));
const NEW = { ...OLD, bank: 'bank-2' };

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    (value) => String(value),
    (error: { code?: string }) => error.code ?? String(error),
  );
}

describe('a change of a witness key', () => {
  it('is crossed by a head that the keys which stay have signed', async () => {
    await rotate(world, 'bank-2');
    const size = world.log.length;
    const handovers = [await note(world, size, { insurer: 'insurer', hospital: 'hospital' })];
    await world.tickAll(START_MS + 1).catch(() => undefined);
    const all = world.log.length;
    const head = await note(world, all, NEW);
    const follower = followerOf(world, peerOf(world, { head, size: all, handovers }));
    expect(await codeOf(follower.step())).toBe('true');
    expect([follower.size, follower.charter.version]).toEqual([all, 2]);
  });

  it('needs no handover where the old quorum signed a head past it', async () => {
    await rotate(world, 'bank-2');
    const size = world.log.length;
    const follower = followerOf(world, peerOf(world, { head: await note(world, size, OLD), size }));
    expect(await codeOf(follower.step())).toBe('true');
    expect(follower.charter.version).toBe(2);
  });

  it('is crossed several times on', async () => {
    await rotate(world, 'bank-2');
    const first = await note(world, world.log.length, { insurer: 'insurer', hospital: 'hospital' });
    await rotate(world, 'bank-3');
    const size = world.log.length;
    const second = await note(world, size, { insurer: 'insurer', hospital: 'hospital' });
    const head = await note(world, size, { ...OLD, bank: 'bank-3' });
    const follower = followerOf(world, peerOf(world, { head, size, handovers: [first, second] }));
    expect(await codeOf(follower.step())).toBe('true');
    expect(follower.charter.version).toBe(3);
  });

  it.each<[string, Record<string, string>, number]>([
    ['one of the old', { insurer: 'insurer' }, 0],
    ['the new key and one of the old', { insurer: 'insurer', bank: 'bank-2' }, 0],
    ['the old ones over a head before it', { insurer: 'insurer', hospital: 'hospital' }, 1],
  ])('is not crossed by %s', async (_who, signers, early) => {
    await rotate(world, 'bank-2');
    const size = world.log.length;
    const handovers = [await note(world, size - early, signers)];
    const head = await note(world, size, NEW);
    const follower = followerOf(world, peerOf(world, { head, size, handovers }));
    expect(await codeOf(follower.step())).toBe('quorum-not-met');
    expect(follower.size).toBe(0);
  });

  it('of a history that is not the signed one is not crossed', async () => {
    const other = world.fork();
    await rotate(other, 'bank-9');
    await rotate(world, 'bank-2');
    const size = world.log.length;
    const kept = { insurer: 'insurer', hospital: 'hospital' };
    const handovers = [await note(world, size, kept)];
    const forged = peerOf(other, { head: await note(other, size, NEW), size, handovers });
    const follower = followerOf(world, forged);
    expect(await codeOf(follower.step())).toBe('ledger-history-mismatch');
    expect(follower.size).toBe(0);
    // The tree is as it was: an honest gateway brings it on.
    const honest = peerOf(world, { head: await note(world, size, NEW), size, handovers });
    const both = followerOf(world, forged, honest);
    expect(await codeOf(both.step())).toBe('true');
  });

  it('that is crossed while an old head is followed leaves that head behind', async () => {
    await rotate(world, 'bank-2');
    const size = world.log.length;
    const handovers = [await note(world, size, { insurer: 'insurer', hospital: 'hospital' })];
    const fork = world.fork();
    await fork.tickAll(START_MS + 2).catch(() => undefined);
    await world.tickAll(START_MS + 1).catch(() => undefined);
    const all = world.log.length;
    const honest = peerOf(world, { head: await note(world, all, NEW), size: all, handovers });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = {
      ...honest,
      entries: async (from: number, options = {}) => {
        await released;
        return honest.entries(from, options);
      },
    };
    const length = fork.log.length;
    const forked = peerOf(fork, { head: await note(fork, length, OLD), size: length });
    let shown = 0;
    const old = {
      ...forked,
      checkpoint: async () => {
        shown += 1;
        return forked.checkpoint();
      },
    };
    const follower = followerOf(world, slow, old);
    const crossing = follower.step();
    const forking = follower.step();
    while (shown === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    release();
    await Promise.all([crossing, forking]);
    expect([follower.size, follower.charter.version]).toEqual([all, 2]);
    expect(follower.isAt(all - 1, world.log[all - 1] as Uint8Array)).toBe(true);
  });

  it('leaves heads behind that were verified before it', async () => {
    await rotate(world, 'bank-2');
    const fork = world.fork();
    await fork.tickAll(START_MS + 2).catch(() => undefined);
    const size = world.log.length;
    const handovers = [await note(world, size, { insurer: 'insurer', hospital: 'hospital' })];
    const head = await note(world, size, NEW);
    const shown = { head, size, handovers };
    const follower = followerOf(world, peerOf(world, shown), peerOf(fork, shown));
    const { version } = follower.charter;
    expect(await codeOf(follower.step())).toBe('true');
    const tree = new MerkleTree(nodeCrypto);
    for (const entry of fork.log) tree.append(entry);
    const forked = { size: fork.log.length, root: tree.root() };
    expect(await codeOf(follower.syncTo(forked, version))).toBe('ledger-unreachable');
    expect(follower.size).toBe(size);
    // By the new witnesses it is a head like any other.
    expect(await codeOf(follower.syncTo(forked, follower.charter.version))).toBe('undefined');
  });

  it('that is none is not crossed with fewer than the old quorum', async () => {
    await amend(world, (draft) => Object.assign(draft, { name: 'Other' }));
    const size = world.log.length;
    const kept = { insurer: 'insurer', hospital: 'hospital' };
    const handovers = [await note(world, size, kept)];
    const follower = followerOf(
      world,
      peerOf(world, { head: handovers[0] as string, size, handovers }),
    );
    expect(await codeOf(follower.step())).toBe('quorum-not-met');
  });
});

it('a removed member’s signature is none at a head of the charter after it', async () => {
  await amend(
    world,
    (draft) => {
      draft.members = draft.members.filter(({ id }) => id !== 'bank');
      draft.witnesses = { faulty: 0, quorum: 2 };
    },
    { signers: ['insurer', 'hospital'] },
  );
  const size = world.log.length;
  const handovers = [await note(world, size, { insurer: 'insurer', hospital: 'hospital' })];
  const start = followerOf(world, peerOf(world, { head: handovers[0] as string, size, handovers }));
  expect(await codeOf(start.step())).toBe('true');
  await world.must(world.witness('insurer'), 'tick', { time: START_MS + 1 });
  const all = world.log.length;
  const shown = { head: await note(world, all, { insurer: 'insurer', bank: 'bank' }), size: all };
  const follower = followerOf(world, peerOf(world, { ...shown, handovers }));
  expect(await codeOf(follower.step())).toBe('quorum-not-met');
  expect(follower.size).toBe(size);
});

it('rules that are not known here end the following for good', async () => {
  await amend(world, (draft) => Object.assign(draft, { fold: 2 }));
  const until = world.log.length;
  const entry = await world.sign(world.witness('bank'), 'tick', { time: START_MS + 1 });
  world.log.push(entry);
  const size = world.log.length;
  const follower = followerOf(world, peerOf(world, { head: await note(world, size, OLD), size }));
  expect(await codeOf(follower.step())).toBe('fold-version-unknown');
  expect(follower.state.seq).toBe(until);
  expect(await codeOf(follower.step())).toBe('fold-version-unknown');
});

describe('a note', () => {
  it('of a head before its amendment hands nothing over', async () => {
    const before = world.inForce;
    await rotate(world, 'bank-2');
    const size = world.log.length;
    const crossing = { before, after: world.inForce, seq: size - 1 };
    const about = { genesis: world.genesis, crossing };
    const of = async (entries: number) =>
      codeOf(verifyHandover(nodeCrypto, await note(world, entries, OLD), about).then(() => 'ok'));
    expect(await of(size - 1)).toBe('handover-too-early');
    expect(await of(size)).toBe('ok');
  });

  it('of any form is looked at, and a fault of ours is none of its', async () => {
    const about = { genesis: world.genesis, before: world.charter };
    for (const text of ['', 'x\n\n', await note(world, 1, { insurer: 'insurer' })]) {
      expect(await mayHandOver(nodeCrypto, text, about)).toBeUndefined();
    }
    const elsewhere = { ...about, genesis: new Uint8Array(32) };
    const signed = await note(world, 1, OLD);
    expect(await mayHandOver(nodeCrypto, signed, elsewhere)).toBeUndefined();
    expect(await mayHandOver(nodeCrypto, signed, about)).toMatchObject({ size: 1 });
    const verifyEd25519 = () => Promise.reject(new TypeError('a fault of ours'));
    const faulty = { ...nodeCrypto, verifyEd25519 };
    await expect(mayHandOver(faulty, signed, about)).rejects.toThrow(TypeError);
  });
});
