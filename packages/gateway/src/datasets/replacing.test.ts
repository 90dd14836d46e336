// SPDX-License-Identifier: Apache-2.0
// The next version of a dataset, through the admin API: what stays keeps its commitment, what is
// other is said, and no attempt takes the place of another's keys.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { activeEpochOf } from '@cloister/contract';
import { documentOf } from '@cloister/contract/policy';
import { toHex } from '@cloister/core';
import { afterAll, describe, expect, it } from 'vitest';
import {
  bankAmongKeepers,
  codeOf,
  eventually,
  instead,
  namesIn,
  settled,
} from '../../testing/federation.ts';
import { replaceable, replaceDataset } from './replacing.ts';

const CSV = 'id,age\n1,30\n2,41.5\n';
const NEXT = 'id,age\n1,31\n2,42\n3,43\n';
const FREE = { currency: 'EUR' };
const POLICY = {
  ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' }, age: { rule: 'reveal' } },
};

const members = await bankAmongKeepers();
const { federation } = members;
let { bank } = members;
afterAll(() => federation.close());

async function send(text: string, file = 'data.csv') {
  return (await bank.admin.upload(file, new Blob([text]))).upload;
}

async function add(name: string, policy: unknown = POLICY) {
  const uploads = [await send(CSV)];
  return (await bank.admin.addDataset({ uploads, name, policy, price: FREE })).dataset;
}

async function replace(dataset: string, text = NEXT, more: object = {}) {
  const uploads = [await send(text)];
  return bank.admin.replaceDataset({ dataset, uploads, ...more });
}

function bodyOf(dataset: string, version: number) {
  const body = bank.gateway.follower.state.datasets.get(dataset)?.versions.get(version)?.body;
  if (body === undefined) throw new Error(`no version ${version}`);
  return body;
}

describe('a dataset that is replaced', () => {
  it('has its name, types, policy and price as before, by the same commitments', async () => {
    const { dataset } = await add('lasting');
    const { dataset: next } = await replace(dataset);
    expect(next).toMatchObject({ dataset, version: 2, name: 'lasting', rows: 3, retired: false });
    // Whole numbers alone would have made it a BIGINT.
    expect(next.columns.map(({ type }) => type)).toEqual(['BIGINT', 'DOUBLE']);
    const [first, second] = [bodyOf(dataset, 1), bodyOf(dataset, 2)];
    expect(second.schema).toEqual(first.schema);
    expect(second.policy).toEqual(first.policy);
    expect(second.price).toEqual(first.price);
    expect(second.files.manifest).not.toEqual(first.files.manifest);
    expect(second.columns[1]?.sealed).not.toEqual(first.columns[1]?.sealed);
    const listed = (await bank.admin.datasets()).filter((d) => d.dataset === dataset);
    expect(listed.map(({ version }) => version)).toEqual([1, 2]);
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
  });

  it('is refused with other columns or types unless that is said', async () => {
    const { dataset } = await add('strict');
    for (const text of ['id\n1\n', 'id,age,sex\n1,2,f\n', 'age,id\n1,2\n']) {
      expect(await codeOf(replace(dataset, text)), text).toBe('dataset-schema-differs');
    }
    expect(await codeOf(replace(dataset, 'id,age\nx,2\n'))).toBe('value-not-of-type');
    const types = { age: 'VARCHAR' };
    expect(await codeOf(replace(dataset, NEXT, { types }))).toBe('dataset-schema-differs');
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
    const { dataset: next } = await replace(dataset, 'id,age,sex\n1,2,f\n', { newSchema: true });
    expect(next.version).toBe(2);
    expect(next.columns.map(({ rule }) => rule)).toEqual(['reveal', 'reveal', 'hidden']);
    const [first, second] = [bodyOf(dataset, 1), bodyOf(dataset, 2)];
    expect(second.schema).not.toEqual(first.schema);
    expect(second.policy).not.toEqual(first.policy);
    const gone = replace(dataset, 'id\n1\n', { newSchema: true });
    expect(await codeOf(gone)).toBe('policy-unknown-column');
  });

  it('takes another policy, under another commitment only where it is another', async () => {
    const { dataset } = await add('ruled');
    await replace(dataset, NEXT, { policy: POLICY });
    expect(bodyOf(dataset, 2).policy).toEqual(bodyOf(dataset, 1).policy);
    const columns = { id: { rule: 'reveal' } };
    const { dataset: next } = await replace(dataset, NEXT, { policy: { ...POLICY, columns } });
    expect(next.columns.map(({ rule }) => rule)).toEqual(['reveal', 'hidden']);
    expect(bodyOf(dataset, 3).policy).not.toEqual(bodyOf(dataset, 1).policy);
    expect(bodyOf(dataset, 3).schema).toEqual(bodyOf(dataset, 1).schema);
    expect(await codeOf(replace(dataset, NEXT, { policy: { k: 1 } }))).toBe('policy-malformed');
  });

  it('is ours, there, and not withdrawn as a whole', async () => {
    const { dataset } = await add('gone');
    await bank.admin.withdrawDataset({ dataset, version: 1 });
    expect((await replace(dataset)).dataset.version).toBe(2);
    await bank.admin.withdrawDataset({ dataset });
    expect(await codeOf(replace(dataset))).toBe('dataset-not-found');
    expect(await codeOf(replace('00'.repeat(16)))).toBe('dataset-not-found');
    const { world } = federation;
    const { state } = bank.gateway.follower;
    const groupKey = activeEpochOf(state)?.groupKey as Uint8Array;
    await federation.catchUp();
    const other = await world.addDataset('hospital', { groupKey });
    await federation.publish();
    const key = toHex(other.dataset);
    await eventually(() => bank.gateway.follower.state.datasets.has(key));
    expect(await codeOf(replace(key))).toBe('dataset-not-found');
    // The name is free again, for a dataset that begins at version 1.
    expect((await add('gone')).version).toBe(1);
  });

  it('is refused before any work where its policy is none, or nobody holds a key', async () => {
    const { dataset } = await add('early');
    const { gateway } = bank;
    const steps: unknown[] = [];
    const replacing = (policy: unknown, at = gateway) => {
      const wanted = { dataset, version: 2, uploads: [], types: {}, newSchema: false, policy };
      return codeOf(replaceDataset(at, wanted, (step) => steps.push(step)));
    };
    expect(await replacing({ k: 1 })).toBe('policy-malformed');
    const state = { ...gateway.follower.state, activeEpoch: null };
    const follower = instead(gateway.follower, { state });
    expect(await replacing(POLICY, instead(gateway, { follower }))).toBe('no-group-key');
    expect(steps).toEqual([]);
  });

  it('is made once at a time, and not over a version that came meanwhile', async () => {
    const { dataset } = await add('busy');
    const uploads = [await send(NEXT)];
    const work = await bank.admin.startReplacing({ dataset, uploads });
    expect((await bank.admin.startReplacing({ dataset, uploads })).job).toBe(work.job);
    const more = bank.admin.startReplacing({ dataset, uploads: [await send(NEXT)] });
    expect(await codeOf(more)).toBe('dataset-name-taken');
    const { dataset: made } = await bank.admin.followDataset(work.job);
    expect(made).toMatchObject({ dataset, version: 2 });
    const { next } = await replaceable(bank.gateway, dataset);
    expect(next).toBe(3);
    const late = { dataset, version: 2, uploads: [], types: {}, newSchema: false };
    expect(await codeOf(replaceDataset(bank.gateway, late, () => undefined))).toBe(
      'dataset-replaced',
    );
  });

  it('is sealed again to a new key with the keys of the files that are there', async () => {
    const { dataset } = await add('again');
    // An attempt whose outcome was lost: its keys stay, and are none of the version that came.
    const { vault } = bank.gateway;
    const lost = (await vault.all()).find((entry) => toHex(entry.dataset) === dataset);
    if (lost === undefined) throw new Error('no keys');
    const attempt = new Uint8Array(8);
    await vault.put({ ...lost, version: 2, attempt, manifest: new Uint8Array(32) });
    await vault.put({ ...lost, version: 2, attempt: attempt.slice(1), keys: new Map() });
    await replace(dataset);
    const own = (await vault.all()).filter((e) => toHex(e.dataset) === dataset && e.version === 2);
    expect(own.length).toBe(3);
    const before = bodyOf(dataset, 2);
    await federation.catchUp();
    await federation.world.formEpoch();
    await federation.publish();
    const active = () => bank.gateway.follower.state.activeEpoch;
    await eventually(() => active() === federation.world.state.activeEpoch);
    const current = async () =>
      (await bank.admin.datasets()).filter((d) => d.dataset === dataset && !d.retired);
    await eventually(async () => (await current()).every((d) => d.groupKey === 'current'));
    expect((await current()).map(({ version }) => version)).toEqual([1, 2]);
    expect(bodyOf(dataset, 2).columns[0]?.sealed).not.toEqual(before.columns[0]?.sealed);
    expect(bodyOf(dataset, 2).policy).toEqual(before.policy);
    expect(bodyOf(dataset, 2).columns.length).toBe(3);
  });

  it('survives a restart: what was made is told as made, under its work', async () => {
    const { dataset } = await add('kept');
    const uploads = [await send(NEXT)];
    const { job } = await bank.admin.startReplacing({ dataset, uploads });
    await bank.admin.followDataset(job);
    await federation.stop('bank');
    const path = join(federation.home('bank'), 'jobs', `${job}.json`);
    const record = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    expect(record).toMatchObject({ dataset, version: 2 });
    bank = await federation.start('bank');
    await settled(bank);
    const { state, added } = await bank.admin.datasetJob(job);
    expect([state, added?.dataset.version]).toEqual(['added', 2]);
  });
});

it('a policy in force can be read as the document that it could have come from', async () => {
  const document = {
    ...{ for: ['bank'], purpose: ['care'], code: 'any', k: 20, approvals: 2 },
    limits: { runs: 5, days: 'none' },
    columns: {
      id: { rule: 'subject' },
      age: [{ rule: 'aggregate', functions: ['AVG'], groupings: ['age // 10'], k: 30 }],
    },
  };
  const { dataset } = await add('readable', document);
  const { policy, schema } = await replaceable(bank.gateway, dataset);
  const again = documentOf(policy);
  expect(again).toEqual({
    ...document,
    columns: { id: [document.columns.id], age: document.columns.age },
  });
  expect(schema.name).toBe('readable');
});
