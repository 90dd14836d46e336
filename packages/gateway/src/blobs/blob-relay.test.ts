// SPDX-License-Identifier: Apache-2.0
// What a gateway fetches for others: what an event names, no more of it than that may have, for a
// bounded time, and nothing of a liar.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BLOB_MOST } from '@cloister/contract';
import { type BlobStore, systemTimers as timers, utf8 } from '@cloister/core';
import { FileBlobs, nodeCrypto } from '@cloister/core/node';
import { World } from '@cloister/testkit/world';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EntryRecord } from '../ledger/follower.ts';
import { BlobRelay } from './blob-relay.ts';
import { NamedBlobs } from './named-blobs.ts';

const bytes = utf8('a blob');
const digest = nodeCrypto.digest('sha256', bytes);
let root: string;
let blobs: FileBlobs;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-relay-'));
  blobs = new FileBlobs(root);
});
afterAll(() => rm(root, { recursive: true }));

const relay = (get: BlobStore['get'], timeoutMs = 1_000) =>
  new BlobRelay({ into: blobs, from: () => ({ get }), timers, timeoutMs });

it('is bounded in time', async () => {
  const silent = relay(() => new Promise<never>(() => undefined), 50);
  expect(await silent.fetch(digest, 9)).toBe(false);
});

it('asks once for many, and keeps nothing of a liar', async () => {
  let asked = 0;
  const lied = relay(async () => {
    asked += 1;
    return utf8('another');
  });
  const all = await Promise.all([1, 2, 3].map(() => lied.fetch(digest, 9)));
  expect(all).toEqual([false, false, false]);
  expect(asked).toBe(1);
  expect(await blobs.head(digest)).toBeUndefined();
});

it('says how much it takes', async () => {
  const asked: number[] = [];
  const honest = relay(async (_, most) => {
    asked.push(most);
    return bytes;
  });
  expect(await honest.fetch(digest, 9)).toBe(true);
  expect(asked).toEqual([9]);
});

it('knows how long what an accepted event names may be', async () => {
  const world = new World();
  await world.found();
  const named = new NamedBlobs();
  const body = world.datasetBody();
  const event = { kind: 'dataset', body };
  named.add({ status: 'void', event } as unknown as EntryRecord);
  expect(named.most(body.openings)).toBeUndefined();
  named.add({ status: 'accepted', event } as unknown as EntryRecord);
  expect(named.most(body.openings)).toBe(BLOB_MOST.openings);
  expect(named.most(body.files.manifest)).toBe(BLOB_MOST.manifest);
  expect(named.most(body.columns[1]?.sealed as Uint8Array)).toBe(BLOB_MOST.sealedKey);
  expect(named.most(body.policy)).toBeUndefined();
});
