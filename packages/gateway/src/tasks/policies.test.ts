// SPDX-License-Identifier: Apache-2.0
// Another policy for a dataset that is there, through the admin API: what is other is said in
// words, grants that could not be given today end on the ledger, and nothing brings the old one
// back.
import { fromHex, toHex } from '@cloister/core';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAndHospital, codeOf, eventually, instead } from '../../testing/federation.ts';
import { publishAccepted } from '../context.ts';
import { replaceable } from '../datasets/replacing.ts';
import { meantBy, sealDataset } from '../datasets/seal.ts';
import { removeVaultEntry } from '../vault.ts';
import { setPolicy } from './policies.ts';

const CSV = 'id,age\n1,30\n2,41\n';
const FREE = { currency: 'EUR' };
const person = 'Ana Diaz';
const REVEAL = { rule: 'reveal' };

function policy(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
    limits: { runs: 'none', days: 'none' },
    columns: { id: REVEAL, age: REVEAL },
    ...change,
  };
}
const HIDES = policy({ columns: { id: REVEAL } });

const { federation, bank, hospital } = await bankAndHospital();
afterAll(() => federation.close());

async function add(name: string, document: unknown = policy()): Promise<string> {
  const uploads = [(await bank.admin.upload('f.csv', new Blob([CSV]))).upload];
  return (await bank.admin.addDataset({ uploads, name, policy: document, price: FREE })).dataset
    .dataset;
}

async function replace(dataset: string) {
  const uploads = [(await bank.admin.upload('f.csv', new Blob([CSV]))).upload];
  return bank.admin.replaceDataset({ dataset, uploads });
}

/** A task of the hospital over the bank's dataset, and others, seen by both. */
async function propose(
  name: string,
  code = 'SELECT age FROM t',
  others: Record<string, string> = {},
): Promise<string> {
  await eventually(async () => (await hospital.admin.datasets()).some((d) => d.name === name));
  const asked = { code, purpose: 'testing', inputs: { t: `bank/${name}`, ...others } };
  const { task, recorded } = await hospital.admin.proposeTask(asked);
  await bank.gateway.follower.reached(recorded.seq + 1, 5_000);
  return task;
}

async function approved(name: string, grant: object = {}, code?: string): Promise<string> {
  const task = await propose(name, code);
  await bank.admin.approve(task, { person, ...grant });
  return task;
}

const bodyOf = (dataset: string, version = 1) =>
  bank.gateway.follower.state.datasets.get(dataset)?.versions.get(version)?.body;

async function declinesOf(task: string): Promise<string[]> {
  return (await bank.admin.task(task)).declines.map(({ code }) => code);
}

describe('another policy', () => {
  it('is said in words with what it does to tasks; a dry run records nothing', async () => {
    const dataset = await add('looked-at');
    const task = await approved('looked-at');
    const { size } = bank.gateway.follower;
    const looked = await bank.admin.setPolicy({ dataset, policy: HIDES, dryRun: true });
    expect(looked.versions).toEqual([
      { version: 1, changes: ['age: revealed before, hidden now'], recorded: null },
    ]);
    expect(looked.tasks).toEqual([
      {
        ...{ task, purpose: 'testing', effect: 'ends', code: 'column-hidden', laterEnd: false },
        sentence: expect.stringContaining('age'),
      },
    ]);
    expect(bank.gateway.follower.size).toBe(size);
    const shown = await hospital.admin.policy(dataset, 1);
    expect(shown.policy['columns']).toEqual({ id: [REVEAL], age: [REVEAL] });
  });

  it('ends the grants that could not be given today, and no others', async () => {
    const dataset = await add('narrowed');
    const [shows, counts] = [
      await approved('narrowed', { anyVersion: ['t'] }),
      await approved('narrowed', { anyVersion: ['t'] }, 'SELECT id FROM t'),
    ];
    const { versions, tasks } = await bank.admin.setPolicy({ dataset, policy: HIDES });
    expect(versions[0]?.recorded?.status).toBe('accepted');
    expect(tasks.map(({ task, effect, laterEnd }) => [task, effect, laterEnd])).toEqual([
      [shows, 'ends', true],
      [counts, 'stays', true],
    ]);
    await eventually(async () => (await declinesOf(shows)).join() === 'column-hidden');
    expect(await declinesOf(counts)).toEqual([]);
    expect((await bank.admin.task(counts)).inputs[0]).toMatchObject({ approved: true });
    // The next version has the policy that was set; the grant was for the one before.
    await replace(dataset);
    expect((await bank.admin.task(counts)).inputs[0]).toMatchObject({
      ...{ version: 1, newest: 2, approved: true, newestGranted: false },
    });
    await bank.admin.approve(counts, { person, anyVersion: ['t'] });
    expect((await bank.admin.task(counts)).inputs[0]).toMatchObject({ newestGranted: true });
    const again = await bank.admin.setPolicy({ dataset, policy: HIDES });
    expect(again.versions.map((v) => [v.changes, v.recorded])).toEqual([
      [[], null],
      [[], null],
    ]);
    expect(again.tasks).toEqual([]);
  });

  it('ends grants beyond its limits, and waits for as many persons as it asks for', async () => {
    const dataset = await add('limited');
    const long = await approved('limited', { runs: 5 });
    const short = await approved('limited', { runs: 1 }, 'SELECT id FROM t');
    const limits = { runs: 2, days: 30 };
    const first = await bank.admin.setPolicy({ dataset, policy: policy({ limits }) });
    expect(first.versions[0]?.changes).toEqual([
      'runs of one approval: no limit before, 2 now',
      'days of one approval: no limit before, 30 now',
    ]);
    expect(first.tasks.map(({ task, code }) => [task, code])).toEqual([
      [long, 'grant-exceeds-policy'],
      [short, undefined],
    ]);
    await eventually(async () => (await declinesOf(long)).join() === 'grant-exceeds-policy');
    const second = await bank.admin.setPolicy({ dataset, policy: policy({ approvals: 2 }) });
    expect(second.tasks.map(({ task, effect }) => [task, effect])).toEqual([[short, 'waits']]);
    expect((await bank.admin.task(short)).inputs[0]).toMatchObject({ approved: false });
    await bank.admin.approve(short, { person: 'Bo Li' });
    expect((await bank.admin.task(short)).inputs[0]).toMatchObject({ approved: true });
    const days = policy({ limits: { runs: 'none', days: 1 } });
    const third = await bank.admin.setPolicy({ dataset, policy: days });
    expect(third.tasks.map(({ code }) => code)).toEqual(['grant-exceeds-policy']);
  });

  it('lets people approve what the one before forbade', async () => {
    const dataset = await add('widened', HIDES);
    const task = await propose('widened');
    await eventually(async () => (await declinesOf(task)).length > 0);
    const { tasks } = await bank.admin.setPolicy({ dataset, policy: policy() });
    expect(tasks).toMatchObject([{ task, effect: 'allowed' }]);
    await bank.admin.approve(task, { person });
    expect((await bank.admin.task(task)).inputs[0]).toMatchObject({ approved: true });
  });

  it('is refused whole where one version lacks its columns, or nothing is ours', async () => {
    const dataset = await add('typo');
    await replace(dataset);
    const before = bank.gateway.follower.size;
    const columns = { agee: REVEAL };
    const typo = bank.admin.setPolicy({ dataset, policy: policy({ columns }) });
    expect(await codeOf(typo)).toBe('policy-unknown-column');
    expect(await codeOf(bank.admin.setPolicy({ dataset, policy: { k: 1 } }))).toBe(
      'policy-malformed',
    );
    expect(bank.gateway.follower.size).toBe(before);
    await eventually(() => hospital.gateway.follower.state.datasets.has(dataset));
    const other = hospital.admin.setPolicy({ dataset, policy: policy() });
    expect(await codeOf(other)).toBe('dataset-not-found');
    const gone = bank.admin.setPolicy({ dataset, version: 3, policy: policy() });
    expect(await codeOf(gone)).toBe('dataset-not-found');
  });

  it('is one commitment for all versions, or of one version alone', async () => {
    const dataset = await add('several');
    await replace(dataset);
    await bank.admin.setPolicy({ dataset, policy: HIDES });
    expect(bodyOf(dataset, 2)?.policy).toEqual(bodyOf(dataset, 1)?.policy);
    await bank.admin.setPolicy({ dataset, version: 1, policy: policy() });
    expect(bodyOf(dataset, 2)?.policy).not.toEqual(bodyOf(dataset, 1)?.policy);
    expect((await bank.admin.policy(dataset, 2)).policy).toMatchObject({
      columns: { id: [REVEAL] },
    });
  });

  it('touches no withdrawn version, and no task over another than those it is for', async () => {
    const dataset = await add('partly');
    await approved('partly');
    await replace(dataset);
    const second = await bank.admin.setPolicy({ dataset, version: 2, policy: HIDES, dryRun: true });
    expect(second.tasks).toEqual([]);
    await bank.admin.withdrawDataset({ dataset, version: 1 });
    const { versions } = await bank.admin.setPolicy({ dataset, policy: HIDES });
    expect(versions.map(({ version }) => version)).toEqual([2]);
    expect(await codeOf(bank.admin.policy(dataset, 3))).toBe('dataset-not-found');
  });

  it('says nothing of what another owner forbids', async () => {
    const dataset = await add('ours');
    const uploads = [(await hospital.admin.upload('f.csv', new Blob([CSV]))).upload];
    const theirs = (
      await hospital.admin.addDataset({ uploads, name: 'theirs', policy: policy(), price: FREE })
    ).dataset.dataset;
    const both = { u: 'hospital/theirs' };
    const task = await propose('ours', 'SELECT u.age FROM t JOIN u ON t.id = u.id', both);
    await bank.admin.approve(task, { person });
    await hospital.admin.setPolicy({ dataset: theirs, policy: HIDES });
    await bank.gateway.follower.reached(hospital.gateway.follower.size, 5_000);
    const limits = { runs: 9, days: 'none' };
    const { tasks } = await bank.admin.setPolicy({ dataset, policy: policy({ limits }) });
    expect(tasks.map(({ task: of, effect }) => [of, effect])).toEqual([[task, 'stays']]);
  });

  it('lets tasks be that have ended; a fault of ours is not taken for one of theirs', async () => {
    const dataset = await add('ended');
    const task = await approved('ended');
    const { gateway } = bank;
    const { state } = gateway.follower;
    const clock = state.tasks.get(task)?.body.until as number;
    const wanted = { dataset, policy: HIDES, dryRun: true };
    const at = (time: number) => {
      const follower = instead(gateway.follower, { state: { ...state, clock: time } });
      return setPolicy(instead(gateway, { follower }), wanted);
    };
    expect((await at(clock - 1)).tasks).toMatchObject([{ task, effect: 'ends' }]);
    expect((await at(clock)).tasks).toEqual([]);
    const get = () => Promise.reject(new TypeError('a slip'));
    const openings = state.tasks.get(task)?.body.openings as Uint8Array;
    const allBlobs = instead(gateway.allBlobs, {
      get: (digest, most) => {
        return toHex(digest) === toHex(openings) ? get() : gateway.allBlobs.get(digest, most);
      },
    });
    await expect(setPolicy(instead(gateway, { allBlobs }), wanted)).rejects.toThrow('a slip');
  });

  it('is in the vault beside the keys, and needs them', async () => {
    const dataset = await add('keys');
    await bank.admin.setPolicy({ dataset, policy: HIDES });
    const kept = async () => {
      return (await bank.gateway.vault.all()).find((one) => toHex(one.dataset) === dataset);
    };
    const entry = await kept();
    const { body } = await replaceable(bank.gateway, dataset);
    if (entry === undefined) throw new Error('no keys');
    // What the ledger has as openings is not asked for.
    const nowhere = { get: () => Promise.reject(new Error('asked for')) };
    const alone = instead(bank.gateway, { allBlobs: nowhere });
    expect((await meantBy(alone, entry, body)).policy).toEqual(entry.policy);
    await removeVaultEntry(bank.gateway.home, entry);
    const lost = bank.admin.setPolicy({ dataset, policy: policy() });
    expect(await codeOf(lost)).toBe('home-malformed');
  });

  it('has its tasks judged by whoever hears of it, whoever has set it', async () => {
    const dataset = await add('heard');
    const task = await approved('heard');
    // As another gateway of this member would.
    const { body } = await replaceable(bank.gateway, dataset);
    const entries = await bank.gateway.vault.all();
    const entry = entries.find((one) => toHex(one.dataset) === dataset);
    const hides = await add('pattern', HIDES);
    const { openings } = await replaceable(bank.gateway, hides);
    if (entry === undefined) throw new Error('no keys');
    const { groupKey, rows, files, price, approvals } = body;
    const parts = { groupKey, rows, files, price, approvals };
    const own = { ...entry, policy: openings.policy };
    await publishAccepted(bank.gateway, 'dataset', await sealDataset(bank.gateway, own, parts));
    await eventually(async () => (await declinesOf(task)).includes('column-hidden'));
    // The vault has the old policy; sealing to another key does not bring it back.
    expect((await bank.admin.policy(dataset, 1)).policy).toMatchObject({
      columns: { id: [REVEAL] },
    });
    const set = bodyOf(dataset)?.policy;
    await federation.catchUp();
    await federation.world.formEpoch();
    await federation.publish();
    const active = () => bank.gateway.follower.state.activeEpoch;
    await eventually(() => active() === federation.world.state.activeEpoch);
    await eventually(() => {
      const sealed = bodyOf(dataset)?.groupKey ?? new Uint8Array();
      const epoch = bank.gateway.follower.state.epochs.get(active() ?? '');
      return toHex(sealed) === toHex(epoch?.groupKey ?? new Uint8Array());
    });
    expect(bodyOf(dataset)?.policy).toEqual(set);
    expect(await declinesOf(task)).toEqual(['column-hidden']);
    expect(fromHex(dataset)).toEqual(entry.dataset);
  });
});
