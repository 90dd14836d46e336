// SPDX-License-Identifier: Apache-2.0
// New keys of a member: made beside the old ones, and taken into use when the charter has them.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex, utf8 } from '@cloister/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createOrg, markWitnessBegun, prepareKeys, readKeys, readOrg, takeKeys } from './home.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'cloister-home-'));
  await createOrg(home, { id: 'bank', name: 'The bank' });
});

afterEach(() => rm(home, { recursive: true, force: true }));

it('are the same when they are asked for again, and not in use', async () => {
  const before = await readKeys(home);
  const card = await prepareKeys(home, ['witness']);
  expect(await prepareKeys(home, ['witness'])).toEqual(card);
  const keys = await readKeys(home);
  expect(keys.witness.key).toEqual(before.witness.key);
  expect(toHex(keys.next.witness.key)).toBe(card.witness);
  expect(keys.next.identity.key).toEqual(before.identity.key);
  expect(card.identity).toBe((await readOrg(home)).identity);
});

it('are taken into use: the old memory is set aside, people keep their tags', async () => {
  await markWitnessBegun(home);
  await writeFile(join(home, 'witness'), 'memory');
  const before = await readKeys(home);
  const card = await prepareKeys(home, ['identity', 'witness']);
  expect(await takeKeys(home)).toEqual(card);
  const keys = await readKeys(home);
  expect([toHex(keys.identity.key), toHex(keys.witness.key)]).toEqual([
    card.identity,
    card.witness,
  ]);
  expect([keys.witnessBegun, keys.witnessFresh]).toEqual([false, true]);
  expect(keys.tag(utf8('person'))).toEqual(before.tag(utf8('person')));
  const files = await readdir(home);
  expect(files).not.toContain('witness');
  expect(files.some((name) => name.startsWith('witness-'))).toBe(true);
  expect(await readOrg(home)).toEqual(card);
  await markWitnessBegun(home);
  expect(await readKeys(home)).toMatchObject({ witnessBegun: true, witnessFresh: false });
});

it('of the identity alone leave the witness as it is', async () => {
  await markWitnessBegun(home);
  await writeFile(join(home, 'witness'), 'memory');
  const before = await readKeys(home);
  const card = await prepareKeys(home, ['identity']);
  await takeKeys(home);
  const keys = await readKeys(home);
  expect(keys.witness.key).toEqual(before.witness.key);
  expect(keys.identity.key).toEqual(fromHex(card.identity));
  expect(keys.witnessBegun).toBe(true);
  expect(await readdir(home)).toContain('witness');
});

it('that were not made cannot be taken', async () => {
  await expect(takeKeys(home)).rejects.toMatchObject({ code: 'keys-not-prepared' });
});
