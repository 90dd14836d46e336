// SPDX-License-Identifier: Apache-2.0
// What leaves the disk and what stays: all that a version that stands, a task or an audit needs.
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { activeEpochOf, BLOB_MOST, blobsNamed, parseFileManifest } from '@cloister/contract';
import { coreError, toHex, utf8 } from '@cloister/core';
import { afterAll, expect, it } from 'vitest';
import {
  bankAndHospital,
  eventually,
  instead,
  namesIn,
  type Started,
} from '../../testing/federation.ts';
import { removeUnneeded } from './removal.ts';

const CSV = 'id,age\n1,30\n2,41\n';
const POLICY = {
  ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' } },
};

const { federation, bank, hospital } = await bankAndHospital();
afterAll(() => federation.close());

async function add(name: string): Promise<string> {
  const uploads = [(await bank.admin.upload('f.csv', new Blob([CSV]))).upload];
  const price = { currency: 'EUR' };
  return (await bank.admin.addDataset({ uploads, name, policy: POLICY, price })).dataset.dataset;
}

function bodyOf(dataset: string, version = 1) {
  const body = bank.gateway.follower.state.datasets.get(dataset)?.versions.get(version)?.body;
  if (body === undefined) throw new Error(`no version ${version}`);
  return body;
}

/** Of a version: what may go once it is retired, and what stays for audits. */
async function blobsOf(dataset: string, version = 1) {
  const { files, openings, columns } = bodyOf(dataset, version);
  const list = parseFileManifest(await bank.gateway.blobs.get(files.manifest, BLOB_MOST.manifest));
  const content = list.flatMap(({ blob, leaves }) => [blob, leaves]);
  return {
    goes: [...content, ...columns.map(({ sealed }) => sealed)],
    stays: [files.manifest, openings],
  };
}

async function here(at: Started, blobs: readonly Uint8Array[]): Promise<boolean[]> {
  const sizes = await Promise.all(blobs.map((blob) => at.gateway.blobs.head(blob)));
  return sizes.map((size) => size !== undefined);
}

const every = (of: readonly unknown[], value: boolean) => of.map(() => value);

it('takes the files and keys of retired versions, and nothing of what stands', async () => {
  const standing = await add('standing');
  const dataset = await add('accounts');
  const uploads = [(await bank.admin.upload('f.csv', new Blob([CSV]))).upload];
  await bank.admin.replaceDataset({ dataset, uploads });
  const [first, second] = [await blobsOf(dataset, 1), await blobsOf(dataset, 2)];
  const nothing = await bank.admin.removeUnneeded();
  expect(nothing).toEqual({ datasets: [], plain: 0 });
  await bank.admin.withdrawDataset({ dataset, version: 1 });
  const looked = await bank.admin.removeUnneeded({ dryRun: true });
  const about = { dataset, version: 1, owner: 'bank', name: 'accounts', kept: 0, keys: false };
  expect(looked).toMatchObject({ datasets: [{ ...about, blobs: 5 }], plain: null });
  expect(await here(bank, first.goes)).toEqual(every(first.goes, true));
  const removed = await bank.admin.removeUnneeded();
  expect(removed.datasets).toEqual(looked.datasets);
  expect(await here(bank, first.goes)).toEqual(every(first.goes, false));
  for (const stays of [first.stays, second.goes, second.stays]) {
    expect(await here(bank, stays)).toEqual(every(stays, true));
  }
  expect((await bank.admin.removeUnneeded()).datasets).toEqual([]);
  expect(await namesIn(join(federation.home('bank'), 'vault'))).toContain(`${dataset}-1.json`);
  const keys = await bank.admin.removeUnneeded({ keys: true });
  expect(keys.datasets).toEqual([{ ...about, blobs: 0, bytes: 0, keys: true }]);
  const vault = await namesIn(join(federation.home('bank'), 'vault'));
  expect(vault.filter((name) => name.startsWith(dataset))).toEqual([
    expect.stringMatching(`^${dataset}-2-`),
  ]);
  expect(vault).toContain(`${standing}-1.json`);
});

it('takes what was fetched of others, which does not come back', async () => {
  const dataset = await add('fetched');
  const { goes } = await blobsOf(dataset);
  const [file] = goes as [Uint8Array];
  const { manifest } = bodyOf(dataset).files;
  await eventually(() => hospital.gateway.follower.state.datasets.has(dataset));
  const get = async (blob: Uint8Array) =>
    (await fetch(`${hospital.url}/v1/blobs/${toHex(blob)}`)).status;
  expect(await get(manifest)).toBe(200);
  expect(await get(file)).toBe(200);
  expect(await here(hospital, [file])).toEqual([true]);
  await bank.admin.withdrawDataset({ dataset });
  await eventually(() => hospital.gateway.follower.state.datasets.get(dataset)?.retired === true);
  const { datasets } = await hospital.admin.removeUnneeded({ keys: true });
  expect(datasets.find((d) => d.dataset === dataset)).toMatchObject({ blobs: 1, keys: false });
  // The bank still has it, and nobody makes the hospital fetch it again.
  expect(await here(bank, [file])).toEqual([true]);
  expect(await get(file)).toBe(404);
  expect(await get(manifest)).toBe(200);
  expect(await here(hospital, [file])).toEqual([false]);
});

it('leaves what a version that stands lists or names, whoever says so', async () => {
  const dataset = await add('shared');
  const { goes } = await blobsOf(dataset);
  const { world } = federation;
  const { state } = bank.gateway.follower;
  await federation.catchUp();
  const { files, columns } = bodyOf(dataset);
  const groupKey = activeEpochOf(state)?.groupKey as Uint8Array;
  const other = await world.addDataset('hospital', { groupKey, files, columns });
  await federation.publish();
  await eventually(() => state.datasets.has(toHex(other.dataset)));
  await bank.admin.withdrawDataset({ dataset });
  const { datasets } = await bank.admin.removeUnneeded();
  expect(datasets.find((d) => d.dataset === dataset)).toMatchObject({ blobs: 0, kept: 5 });
  expect(await here(bank, goes)).toEqual(every(goes, true));
});

it('leaves every blob that an accepted event names otherwise', async () => {
  const { follower, blobs } = bank.gateway;
  for (let seq = 0; seq < follower.size; seq++) {
    const { event, status } = follower.record(seq) ?? {};
    if (event === undefined || status !== 'accepted' || event.kind === 'dataset') continue;
    for (const [digest] of blobsNamed(event)) {
      const before = await blobs.head(digest);
      await bank.admin.removeUnneeded();
      expect(await blobs.head(digest)).toBe(before);
    }
  }
});

it('counts what void events name neither as gone nor as needed', async () => {
  const dataset = await add('disputed');
  const { goes } = await blobsOf(dataset);
  const own = await bank.gateway.blobs.put(utf8('a blob of work under way'));
  const { world } = federation;
  await federation.catchUp();
  const name = (sealed: readonly Uint8Array[]) => sealed.map((one, id) => ({ id, sealed: one }));
  const by = world.identity('hospital');
  const version = { dataset: bodyOf(dataset).dataset, version: 1 };
  const grabs = world.datasetBody({ ...version, columns: name([own, ...goes]) });
  const holds = world.datasetBody({ version: 7, columns: name(goes) });
  for (const body of [grabs, holds]) {
    expect((await world.put(by, 'dataset', body)).outcome).toMatchObject({
      code: expect.stringMatching(/^dataset-/),
    });
  }
  await federation.publish();
  await bank.gateway.follower.reached(world.log.length, 5_000);
  await bank.admin.withdrawDataset({ dataset });
  await bank.admin.removeUnneeded();
  expect(await here(bank, [own, ...goes])).toEqual([true, ...every(goes, false)]);
});

it('leaves what audits want of a retired version, though another such one lists it', async () => {
  const dataset = await add('audited');
  const { stays } = await blobsOf(dataset);
  const { world } = federation;
  await federation.catchUp();
  const columns = stays.map((sealed, id) => ({ id, sealed }));
  const groupKey = bodyOf(dataset).groupKey;
  const other = await world.addDataset('hospital', { groupKey, columns });
  await world.must(world.identity('hospital'), 'withdraw', { dataset: other.dataset });
  await federation.publish();
  await bank.gateway.follower.reached(world.log.length, 5_000);
  await bank.admin.withdrawDataset({ dataset });
  await bank.admin.removeUnneeded();
  expect(await here(bank, stays)).toEqual(every(stays, true));
});

it('takes no fault of the disk, nor of ours, for a list that is not here', async () => {
  const dataset = await add('faulty');
  await bank.admin.withdrawDataset({ dataset });
  const { blobs } = bank.gateway;
  const options = { dryRun: true, keys: false, inUse: () => false };
  const { manifest } = bodyOf(dataset).files;
  for (const fault of [new TypeError('a slip'), coreError('blob-io-failed', 'a bad disk')]) {
    const broken = instead(blobs, {
      get: async (digest, most) => {
        if (toHex(digest) === toHex(manifest)) throw fault;
        return blobs.get(digest, most);
      },
    });
    const removing = removeUnneeded(instead(bank.gateway, { blobs: broken }), options);
    await expect(removing).rejects.toBe(fault);
  }
  // A name that cannot be read is no reason to keep files; a slip of ours is one to stop.
  const slip = new TypeError('a slip');
  const unnamed = instead(bank.gateway, { allBlobs: { get: () => Promise.reject(slip) } });
  await expect(removeUnneeded(unnamed, options)).rejects.toBe(slip);
});

it('fails closed where a list of our own files is not here', async () => {
  const dataset = await add('unlisted');
  const gone = await add('gone');
  await bank.admin.withdrawDataset({ dataset: gone });
  const { goes } = await blobsOf(gone);
  await bank.gateway.blobs.remove(bodyOf(dataset).files.manifest);
  const remove = bank.admin.removeUnneeded();
  await expect(remove).rejects.toMatchObject({ code: 'blob-not-found' });
  expect(await here(bank, goes)).toEqual(every(goes, true));
  await bank.admin.withdrawDataset({ dataset });
});

it('takes plain files that no work uses and nothing has touched of late', async () => {
  const uploads = join(federation.home('bank'), 'uploads');
  const old = new Date(Date.now() - 3_600_000);
  for (const name of ['aa'.repeat(16), 'bb'.repeat(16), 'cc'.repeat(16)]) {
    await writeFile(join(uploads, name), CSV);
    if (!name.startsWith('c')) await utimes(join(uploads, name), old, old);
  }
  const inUse = (name: string) => name.startsWith('b');
  const { plain } = await removeUnneeded(bank.gateway, { dryRun: false, keys: false, inUse });
  expect(plain).toBe(1);
  expect(await namesIn(uploads)).toEqual(['bb'.repeat(16), 'cc'.repeat(16)]);
});
