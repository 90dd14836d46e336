// SPDX-License-Identifier: Apache-2.0
// Following: catch-up in batches with the invariants intact, and ends for good on two histories.
import type { Ledger } from '@cloister/contract';
import { CodedError, systemTimers as timers, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { World } from '@cloister/testkit/world';
import { MerkleTree } from '@cloister/tlog';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../testing/federation.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { Follower } from './follower.ts';

const { genesis } = new World();
const followers: Follower[] = [];
afterEach(async () => {
  for (const follower of followers.splice(0)) await follower.stop();
});

async function follow(ledger: Ledger, copy: Ledger): Promise<Follower> {
  const follower = new Follower({ ledger, copy, genesis, crypto: nodeCrypto, timers });
  followers.push(follower);
  await follower.replay();
  follower.start();
  return follower;
}

async function history(length: number): Promise<Uint8Array[]> {
  const world = await World.create();
  for (let time = 1_750_000_001_000; world.log.length < length; time += 1_000) {
    await world.tickAll(time);
  }
  return world.log.slice(0, length);
}

describe('catching up', () => {
  it('makes what comes together durable together', async () => {
    const events = await history(300);
    const copy = new MemoryLedger();
    const follower = await follow(new MemoryLedger(events), copy);
    expect(await follower.reached(300, 10_000)).toBe(true);
    expect(copy.rounds).toBeLessThan(10);
    expect(copy.events.map(toHex)).toEqual(events.map(toHex));
  });

  it('never has in its tree what is not in the copy', async () => {
    const events = await history(60);
    const copy = new MemoryLedger();
    const follower = await follow(new MemoryLedger(events), copy);
    let seen = 0;
    copy.afterEach = () => {
      expect(follower.size).toBeLessThan(copy.events.length);
      seen += 1;
    };
    await follower.reached(60, 5_000);
    expect(seen).toBe(60);
    const tree = new MerkleTree(nodeCrypto);
    for (const event of events) tree.append(event);
    expect(toHex(follower.tree.root())).toBe(toHex(tree.root()));
  });

  it('goes on with what is appended later', async () => {
    const events = await history(20);
    const ledger = new MemoryLedger(events.slice(0, 10));
    const follower = await follow(ledger, new MemoryLedger());
    await follower.reached(10, 5_000);
    for (const event of events.slice(10)) await ledger.append(event);
    expect(await follower.reached(20, 5_000)).toBe(true);
  });
});

describe('two histories', () => {
  it('ends when the copy puts an entry elsewhere', async () => {
    const copy = new MemoryLedger();
    copy.fault = (seq) => (seq === 3 ? 4 : seq);
    const follower = await follow(new MemoryLedger(await history(10)), copy);
    await eventually(() => follower.failure !== undefined);
    expect(follower.failure?.code).toBe('ledger-history-changed');
    expect(follower.size).toBe(3);
  });

  it('ends when the ledger answers another position than asked', async () => {
    const ledger = new MemoryLedger(await history(10));
    const inTurn = ledger.follow.bind(ledger);
    ledger.follow = async function* (from, signal) {
      for await (const entry of inTurn(from, signal)) {
        yield entry.seq === 5 ? { ...entry, seq: 6 } : entry;
      }
    };
    const follower = await follow(ledger, new MemoryLedger());
    await eventually(() => follower.failure !== undefined);
    expect(follower.failure?.code).toBe('ledger-history-changed');
  });

  it('ends when the ledger is shorter than the copy', async () => {
    const events = await history(10);
    const ledger = new MemoryLedger(events.slice(0, 9));
    const follower = await follow(ledger, new MemoryLedger(events));
    await eventually(() => follower.failure !== undefined);
    expect(follower.failure?.code).toBe('ledger-history-changed');
    expect(follower.size).toBe(10);
  });
});

describe('waiting', () => {
  it('ends at once for everybody when following fails', async () => {
    const ledger = new MemoryLedger([]);
    const failure = new CodedError('ledger-damaged', 'verification', 'broken');
    let fail: (error: Error) => void = () => undefined;
    ledger.follow = async function* () {
      await new Promise((_, reject) => {
        fail = reject;
      });
      yield* [];
    };
    const follower = await follow(ledger, new MemoryLedger());
    const waiting = follower.reached(1, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
    fail(failure);
    expect(await waiting).toBe(false);
    expect(follower.failure).toBe(failure);
  });

  it('keeps nothing of those that gave up', async () => {
    const ledger = new MemoryLedger(await history(4));
    const follower = await follow(ledger, new MemoryLedger());
    await follower.reached(4, 5_000);
    const began = performance.now();
    const all = Array.from({ length: 50 }, () => follower.reached(1_000_000, 20));
    expect(await Promise.all(all)).toEqual(Array(50).fill(false));
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});
