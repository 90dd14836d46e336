// SPDX-License-Identifier: Apache-2.0
// What a challenge makes a keeper hold: little at once, nothing longer than such a blob may be, and
// no key before the evidence is here.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpBlobs, HttpJson } from '@cloister/api';
import { BLOB_MOST } from '@cloister/contract';
import { type BlobStore, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { accepted, World } from '@cloister/testkit/world';
import { beforeAll, expect, it } from 'vitest';
import { BlobCache } from './blob-cache.ts';
import { Prefetch } from './prefetch.ts';

const COLUMNS = 40;
let world: World;
let join: string;
let evidence: string;

beforeAll(async () => {
  world = new World();
  await world.found();
  await world.tickAll(Date.UTC(2026, 0, 15));
  await world.formEpoch();
  const columns = Array.from({ length: COLUMNS + 1 }, (_, id) => {
    return { id, sealed: world.freshBytes(32) };
  });
  const claims = await world.addDataset('bank', { columns });
  const ids = columns.slice(1).map(({ id }) => id);
  const inputs = [{ dataset: claims.dataset, version: 1, columns: ids }];
  const task = await world.propose('insurer', [claims], { inputs });
  await world.approve('bank', task, [claims], { inputs });
  const { submitted, node } = await world.tryJoinWorker('hospital', task);
  accepted(submitted);
  join = toHex(node.id);
  evidence = toHex(world.state.joins.get(join)?.body.evidence as Uint8Array);
});

/** A store that counts what is under way, and answers when `let` says. */
function counted(answer: (digest: string) => Promise<Uint8Array<ArrayBuffer>>) {
  const seen = { asked: [] as string[], now: 0, most: 0, bytes: 0, mostBytes: 0 };
  const get: BlobStore['get'] = async (digest, most) => {
    seen.asked.push(toHex(digest));
    seen.now += 1;
    seen.bytes += most;
    seen.most = Math.max(seen.most, seen.now);
    seen.mostBytes = Math.max(seen.mostBytes, seen.bytes);
    return answer(toHex(digest)).finally(() => {
      seen.now -= 1;
      seen.bytes -= most;
    });
  };
  return { seen, get };
}

it('asks for no key before the evidence is here', async () => {
  const none = counted(() => Promise.reject(new Error('not one of ours')));
  const prefetch = new Prefetch({ genesis: world.genesis, blobs: none });
  await expect(prefetch.begin(world.state, join)).rejects.toThrow('not one of ours');
  expect(none.seen.asked).toEqual([evidence]);
  const all = counted(async () => new Uint8Array(1));
  await new Prefetch({ genesis: world.genesis, blobs: all }).begin(world.state, join);
  expect(all.seen.asked).toHaveLength(1 + 1 + COLUMNS);
});

it('asks for nothing where no right holds', async () => {
  const { seen, get } = counted(async () => new Uint8Array(1));
  const withdrawn = world.fork();
  const task = withdrawn.state.joins.get(join)?.body.task as Uint8Array;
  await withdrawn.must(withdrawn.identity('bank'), 'decline', { task, code: 'no' });
  await new Prefetch({ genesis: world.genesis, blobs: { get } }).begin(withdrawn.state, join);
  expect(seen.asked).toEqual([]);
});

it('has little under way, however many challenges are drawn', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { seen, get } = counted(async (digest) => {
    if (digest !== evidence) await gate;
    return new Uint8Array(1);
  });
  const prefetch = new Prefetch({ genesis: world.genesis, blobs: { get } });
  const all = Array.from({ length: 500 }, () => prefetch.begin(world.state, join));
  await new Promise((resolve) => setImmediate(resolve));
  release();
  await Promise.all(all);
  expect(seen.most).toBeLessThanOrEqual(256);
  expect(seen.mostBytes).toBeLessThanOrEqual(2 * 1_048_576);
});

it('reads no more of evidence than evidence may have, over HTTP too', async () => {
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const flood = () => {
      while (!response.destroyed && response.write(new Uint8Array(65_536)));
    };
    response.on('drain', flood).on('close', ended).writeHead(200);
    flood();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const blobs = new BlobCache(new HttpBlobs([new HttpJson({ base })], nodeCrypto));
  await new Prefetch({ genesis: world.genesis, blobs }).begin(world.state, join);
  await end;
  expect(asked).toEqual([`/v1/blobs/${evidence}`]);
  const digest = Uint8Array.from(Buffer.from(evidence, 'hex'));
  const again = blobs.get(digest, BLOB_MOST.evidence);
  await expect(again).rejects.toMatchObject({ code: 'blob-too-large' });
  server.closeAllConnections();
  server.close();
});
