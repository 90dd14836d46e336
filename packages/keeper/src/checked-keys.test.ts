// SPDX-License-Identifier: Apache-2.0
// Keys verified ahead: each once, only under its own label, no more than so many, failures never.
import { systemRandom, toHex } from '@cloister/core';
import { encodeLabel } from '@cloister/threshold';
import { generateHpkeKeyPair, sealMasterKey } from '@cloister/threshold/node';
import { expect, it, vi } from 'vitest';
import { MemoryBlobs } from '../testing/ledger.ts';
import { CheckedKeys } from './checked-keys.ts';

const { publicKey: groupKey } = generateHpkeKeyPair();
const genesis = systemRandom.bytes(32);
const label = (column: number) =>
  encodeLabel({
    genesis,
    groupKey,
    owner: 'bank',
    dataset: genesis.slice(0, 16),
    version: 1,
    column,
    policy: genesis,
  });

async function sealed(blobs: MemoryBlobs, column: number): Promise<Uint8Array> {
  const masterKey = systemRandom.bytes(32);
  return blobs.put(sealMasterKey({ groupKey, label: label(column), masterKey }));
}

it('a key is fetched and verified once, and stands for its own label only', async () => {
  const blobs = new MemoryBlobs();
  const digest = await sealed(blobs, 1);
  const get = vi.spyOn(blobs, 'get');
  const checked = new CheckedKeys();
  expect(checked.get(digest)).toBeUndefined();
  for (const _ of [1, 2, 3]) await checked.prepare(blobs, digest, label(1));
  expect(get).toHaveBeenCalledTimes(1);
  const enc = checked.get(digest)?.under(label(1))?.enc as Uint8Array;
  expect(enc).toHaveLength(65);
  expect(checked.get(digest)?.under(label(2))).toBeUndefined();
  // What is handed out is a copy.
  enc.fill(0);
  expect(toHex(checked.get(digest)?.under(label(1))?.enc as Uint8Array)).not.toBe(toHex(enc));
});

it('a key whose proof does not hold over the label is not remembered', async () => {
  const blobs = new MemoryBlobs();
  const digest = await sealed(blobs, 1);
  const checked = new CheckedKeys();
  const wrong = checked.prepare(blobs, digest, label(2));
  await expect(wrong).rejects.toMatchObject({ code: 'pi-invalid' });
  expect(checked.get(digest)).toBeUndefined();
});

it('the oldest goes when there are too many', async () => {
  const blobs = new MemoryBlobs();
  const digests = await Promise.all([1, 2, 3].map((column) => sealed(blobs, column)));
  const checked = new CheckedKeys({ most: 2 });
  for (const [i, digest] of digests.entries()) await checked.prepare(blobs, digest, label(i + 1));
  expect(digests.map((digest) => checked.get(digest) !== undefined)).toEqual([false, true, true]);
});
