// SPDX-License-Identifier: Apache-2.0
// Which gateway a follower believes, and that none of them holds it: one that is behind, one that
// gives out its history slowly, one that never answers, one that lies.
import { CodedError } from '@cloister/core';
import { START_MS, World } from '@cloister/testkit/world';
import { beforeEach, expect, it } from 'vitest';
import { followerBy, followerOf, note, peerOf } from '../../testing/peers.ts';
import type { CheckpointedPeer } from './checkpoint-follower.ts';

const ALL = { insurer: 'insurer', hospital: 'hospital', bank: 'bank' };
let world: World;
let whole: CheckpointedPeer;

beforeEach(async () => {
  world = await World.create();
  for (let minute = 1; minute <= 4; minute++) await world.tickAll(START_MS + minute * 60_000);
  whole = await upTo(world.log.length);
});

async function upTo(size: number): Promise<CheckpointedPeer> {
  return peerOf(world, { head: await note(world, size, ALL), size });
}

/** Counts how often it is asked for its head, and fails each time. */
function silent() {
  const peer = { ...whole, asked: 0 };
  peer.checkpoint = () => {
    peer.asked++;
    return Promise.reject(new CodedError('peer-unreachable', 'unavailable', 'no answer'));
  };
  return peer;
}

it('passes over a gateway that is behind', async () => {
  const follower = followerOf(world, await upTo(3), whole);
  expect(await follower.step()).toBe(true);
  expect(await follower.step()).toBe(true);
  expect(follower.size).toBe(world.log.length);
  expect(await follower.step()).toBe(false);
});

it('is not kept behind by one that gives out its history slowly', async () => {
  const heads = await Promise.all(world.log.map((_, i) => upTo(i + 1)));
  let at = 0;
  const slow = {
    ...whole,
    checkpoint: () => (heads[at++] as CheckpointedPeer).checkpoint(),
  };
  const follower = followerOf(world, slow, whole);
  await follower.step();
  await follower.step();
  expect(follower.size).toBe(world.log.length);
});

it('asks a gateway that never answers less and less often', async () => {
  const peer = silent();
  const follower = followerOf(world, peer, whole);
  for (let turn = 0; turn < 64; turn++) await follower.step();
  expect(follower.size).toBe(world.log.length);
  expect(peer.asked).toBeGreaterThan(3);
  expect(peer.asked).toBeLessThan(9);
});

it('passes over one that gives out an entry at a time, and not one that is behind', async () => {
  let pages = 0;
  const entries: CheckpointedPeer['entries'] = (from, options) => {
    pages++;
    return whole.entries(from, { ...options, limit: 1 });
  };
  const follower = followerOf(world, { ...whole, entries }, whole);
  expect(await follower.step()).toBe(true);
  expect([follower.size, pages]).toEqual([world.log.length, 2]);
  expect(await followerOf(world, { ...whole, entries: behindBy(1) }).step()).toBe(true);
});

/** The last entries come one by one, as where a gateway is behind. */
function behindBy(left: number): CheckpointedPeer['entries'] {
  return async (from, options) => {
    const rest = world.log.length - from;
    const limit = rest > left ? rest - left : 1;
    return whole.entries(from, { ...options, limit });
  };
}

it('has one that is slow rest, though what it says is true', async () => {
  let now = 0;
  const timers = { elapsed: () => now, after: () => () => {} };
  const slow = {
    ...whole,
    asked: 0,
    async checkpoint(least?: number) {
      this.asked++;
      now += 5_001;
      return whole.checkpoint(least);
    },
  };
  const follower = followerBy(timers, world, slow, whole);
  for (let turn = 0; turn < 64; turn++) await follower.step();
  expect(slow.asked).toBeGreaterThan(3);
  expect(slow.asked).toBeLessThan(20);
});

it('asks those that failed when there is nobody else', async () => {
  let answers = false;
  const flaky = silent();
  const failing = flaky.checkpoint;
  flaky.checkpoint = () => (answers ? whole.checkpoint() : failing());
  const follower = followerOf(world, silent(), flaky);
  await expect(follower.step()).rejects.toMatchObject({ code: 'peer-unreachable' });
  answers = true;
  expect(await follower.step()).toBe(true);
  expect(follower.size).toBe(world.log.length);
});

it('waits at one gateway only, at the next where that fails', async () => {
  const waited: string[] = [];
  const waiting = (name: string, peer: CheckpointedPeer, fails = false): CheckpointedPeer => ({
    ...peer,
    entries: async (from, options = {}) => {
      if (options.waitMs === 5) waited.push(name);
      if (fails) throw new CodedError('peer-unreachable', 'unavailable', 'no answer');
      return peer.entries(from, options);
    },
  });
  const size = world.log.length;
  const follower = followerOf(
    world,
    waiting('down', whole, true),
    waiting('first', await upTo(size - 1)),
    waiting('second', whole),
  );
  expect(await follower.step(5)).toBe(true);
  expect(waited).toEqual(['down', 'first']);
});

it('waits once, also where what comes of it is not signed', async () => {
  let waited = 0;
  const unsigned = peerOf(world, { head: await note(world, 3, { bank: 'bank' }), size: 3 });
  const entries = async (from: number, options: { waitMs?: number } = {}) => {
    if (options.waitMs === 5) waited += 1;
    return whole.entries(from, options);
  };
  const follower = followerOf(world, { ...unsigned, entries }, { ...whole, entries });
  expect(await follower.step(5)).toBe(true);
  expect(waited).toBe(1);
});

it('believes no size that is only said', async () => {
  const head = await note(world, 3, ALL);
  const liar = peerOf(world, { head, size: 1_000_000 });
  const follower = followerOf(world, liar, whole);
  for (let turn = 0; turn < 3; turn++) await follower.step();
  expect(follower.size).toBe(world.log.length);
  expect(await follower.step()).toBe(false);
});

it('says so when it knows no gateway', async () => {
  const step = followerOf(world).step();
  await expect(step).rejects.toMatchObject({ code: 'ledger-unreachable' });
});
