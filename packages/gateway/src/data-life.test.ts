// SPDX-License-Identifier: Apache-2.0
// A member's work through its admin API: datasets in, tasks judged and approved, a new group key.
// Keepers and other members are a test world; the gateways and the ledger are real.
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HttpBlobs, HttpJson } from '@cloister/api';
import { type DatasetFile, type FilesSaid, readFileManifest } from '@cloister/contract';
import { isCoded, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { afterAll, describe, expect, it } from 'vitest';
import {
  bankAndHospital,
  codeOf,
  eventually,
  namesIn,
  type Started,
  settled,
} from '../testing/federation.ts';
import { sweep } from './datasets/sweep.ts';
import { homeFolder } from './home.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

const CSV = 'id,age,note\n1,30,a\n2,41,b\n3,52,c\n4,63,d\n';
const FREE = { currency: 'EUR' };

const OPEN = { for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 } as const;
const NO_LIMITS = { runs: 'none', days: 'none' } as const;
const REVEAL = { id: { rule: 'reveal' }, age: { rule: 'reveal' } };

function policy(change: Record<string, unknown> = {}): unknown {
  return { ...OPEN, limits: NO_LIMITS, columns: REVEAL, ...change };
}

const members = await bankAndHospital();
const { federation } = members;
let { bank, hospital } = members;
afterAll(() => federation.close());

async function add(at: Started, name: string, document: unknown, file = 'data.csv', text = CSV) {
  const { upload } = await at.admin.upload(file, new Blob([text]));
  return at.admin.addDataset({ uploads: [upload], name, policy: document, price: FREE });
}

/** A task of the hospital over the bank's dataset, seen by both. */
async function propose(dataset: string, code = 'SELECT age FROM t'): Promise<string> {
  await eventually(async () =>
    (await hospital.admin.datasets()).some((d) => `${d.owner}/${d.name}` === dataset),
  );
  const { task, recorded } = await hospital.admin.proposeTask({
    code,
    purpose: 'testing',
    inputs: { t: dataset },
  });
  await bank.gateway.follower.reached(recorded.seq + 1, 5_000);
  return task;
}

async function inputOf(at: Started, task: string) {
  const { inputs, state } = await at.admin.task(task);
  return { state, approved: inputs[0]?.approved, runsLeft: inputs[0]?.runsLeft };
}

describe('a dataset', () => {
  it('is encrypted, published and read by the other members; nothing plain stays', async () => {
    const { dataset, recorded } = await add(bank, 'accounts', policy());
    expect(recorded.status).toBe('accepted');
    expect(dataset).toMatchObject({ owner: 'bank', name: 'accounts', rows: 4 });
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
    await hospital.gateway.follower.reached(recorded.seq + 1, 5_000);
    const seen = (await hospital.admin.datasets()).find((d) => d.dataset === dataset.dataset);
    expect(seen?.columns.map((c) => c.rule)).toEqual(['reveal', 'reveal', 'hidden']);
  });

  it.each([
    ['its policy is malformed', 'policy-malformed', { k: 1 }],
    ['its policy names no column of it', 'policy-unknown-column', { columns: { x: REVEAL.id } }],
  ])('leaves nothing plain when %s', async (_, code, change) => {
    expect(await codeOf(add(bank, 'refused', policy(change)))).toBe(code);
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
    expect((await bank.admin.datasets()).some((d) => d.name === 'refused')).toBe(false);
  });

  it('of several files has the rows of all; files that differ are refused, and gone', async () => {
    const csv = async (text: string) => (await bank.admin.upload('f.csv', new Blob([text]))).upload;
    const about = { policy: policy(), price: FREE };
    const uploads = [await csv(CSV), await csv('id,age,note\n5,33,e\n')];
    const { dataset } = await bank.admin.addDataset({ uploads, name: 'parts', ...about });
    expect(dataset.rows).toBe(5);
    const version = bank.gateway.follower.state.datasets.get(dataset.dataset)?.versions.get(1);
    const said = version?.body.files as FilesSaid;
    const listed = readFileManifest(await bank.gateway.blobs.get(said.manifest, MOST), said);
    expect(listed).toHaveLength(2);
    expect(said.length).toBe(listed.reduce((sum, { length }) => sum + length, 0));
    for (const other of ['id,age\n1,2\n', 'id,note,age\n1,a,2\n', 'id,age,note\n1,x,a\n']) {
      const differing = { uploads: [await csv(CSV), await csv(other)], name: 'other', ...about };
      expect(await codeOf(bank.admin.addDataset(differing))).toBe('dataset-files-differ');
    }
    const twice = await csv(CSV);
    const same = bank.admin.addDataset({ uploads: [twice, twice], name: 'other', ...about });
    expect(await codeOf(same)).toBe('request-malformed');
    await bank.admin.discardUpload(twice);
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
  });

  it('of several files has types that keep the values of all, or is refused', async () => {
    const uploaded = (...texts: string[]) =>
      Promise.all(
        texts.map(async (text) => (await bank.admin.upload('f.csv', new Blob([text]))).upload),
      );
    const about = { policy: policy({ columns: { a: REVEAL.id } }), price: FREE };
    const uploads = await uploaded('a\n1\n', 'a\n2.5\n', 'a\n12345678901234567890\n');
    const { dataset } = await bank.admin.addDataset({ uploads, name: 'wide', ...about });
    expect(dataset.columns).toMatchObject([{ name: 'a', type: 'DECIMAL(21,1)' }]);
    const two = ['a\n1.5\n', 'a\n1.50\n'] as const;
    const twoForms = { uploads: await uploaded(...two), name: 'forms', ...about };
    expect(await codeOf(bank.admin.addDataset(twoForms))).toBe('dataset-files-differ');
    const types = { a: 'DECIMAL(9, 2)' };
    const chosen = { uploads: await uploaded(...two), name: 'forms', types, ...about };
    expect(await codeOf(bank.admin.addDataset(chosen))).toBe('accepted');
  });

  it('leaves nothing plain when its name is taken', async () => {
    expect(await codeOf(add(bank, 'accounts', policy()))).toBe('dataset-name-taken');
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
  });

  it('is refused with nested columns, and the file is gone', async () => {
    const nested = '{"id":1,"where":{"city":"A"}}\n{"id":2,"where":{"city":"B"}}\n';
    expect(await codeOf(add(bank, 'nested', policy(), 'nested.jsonl', nested))).toBe('json-nested');
    expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
  });

  it.each(['../../escape.csv', '/etc/escape.csv', 'a\u0000b.csv', '..%2Fescape.csv'])(
    'may come from a file called %j, which becomes no path',
    async (file) => {
      const { upload } = await bank.admin.upload(file, new Blob([CSV]));
      expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([upload]);
      await bank.admin.discardUpload(upload);
      expect(await namesIn(join(federation.home('bank'), 'uploads'))).toEqual([]);
    },
  );

  it('that nobody can read hides no other', async () => {
    const openings = await hospital.gateway.blobs.put(utf8('garbage'));
    const { state } = bank.gateway.follower;
    const groupKey = state.epochs.get(state.activeEpoch ?? '')?.groupKey ?? undefined;
    const { world } = federation;
    const body = world.datasetBody({ openings, ...(groupKey ? { groupKey } : {}) });
    await world.must(world.identity('hospital'), 'dataset', body);
    await federation.publish();
    const end = federation.ledger.ledger.head().size;
    await bank.gateway.follower.reached(end, 5_000);
    const all = await bank.admin.datasets();
    const bad = all.find((d) => d.dataset === toHex(body.dataset));
    expect(bad?.name).toMatch(/^\(not readable: /);
    expect(all.some((d) => d.name === 'accounts')).toBe(true);
    expect((await add(bank, 'after-garbage', policy())).recorded.status).toBe('accepted');
  });
});

describe('approvals', () => {
  it('are asked of as many persons as the policy says, each counted once', async () => {
    await add(bank, 'two', policy({ approvals: 2 }));
    const task = await propose('bank/two');
    let told = 0;
    for (const person of [
      'Ana Diaz',
      'Ana Diaz',
      ' ana  DIAZ ',
      'Ana D\u0131az'.replace('ı', 'i'),
    ]) {
      const replaced = told > 0;
      const answer = await bank.admin.approve(task, { person });
      expect(answer).toMatchObject({ persons: 1, needed: 2, replaced });
      expect(await inputOf(bank, task)).toMatchObject({ approved: false });
      told += 1;
    }
    const second = await bank.admin.approve(task, { person: 'Bo Li' });
    expect(second).toMatchObject({ persons: 2, needed: 2, replaced: false });
    expect(await inputOf(bank, task)).toMatchObject({ approved: true, state: 'approved' });
  });

  it('carry no name that others could read or try', async () => {
    await add(bank, 'tagged', policy());
    const [one, two] = [
      await propose('bank/tagged'),
      await propose('bank/tagged', 'SELECT id FROM t'),
    ];
    for (const task of [one, two]) await bank.admin.approve(task, { person: 'Ana Diaz' });
    const persons = [one, two].map((task) => {
      const grants = bank.gateway.follower.state.tasks.get(task)?.grants.values() ?? [];
      return [...grants].flatMap((grant) => [...grant.keys()])[0];
    });
    expect(new Set(persons).size).toBe(2);
    expect(persons).not.toContain(toHex(nodeCrypto.digest('sha256', utf8('ana diaz'))));
  });

  it('stay within what the policy of the dataset allows', async () => {
    await add(bank, 'limited', policy({ limits: { runs: 2, days: 3 } }));
    const task = await propose('bank/limited');
    const twice = await propose('bank/limited', 'SELECT age FROM t; SELECT id FROM t');
    const person = 'Ana Diaz';
    const DAY = 86_400_000;
    const from = bank.gateway.follower.state.clock;
    const beyond = [
      { person, runs: 3 },
      { person, from, until: from + 3 * DAY + 1 },
      { person, runs: 1_000_000, from, until: from + 100 * DAY },
    ];
    for (const grant of beyond) {
      const error = await bank.admin.approve(task, grant).catch((e: unknown) => e);
      expect(isCoded(error, 'grant-exceeds-policy')).toBe(true);
      expect((error as Error).message).toMatch(/allows (2 runs|3 days) in one approval, asked for/);
    }
    expect(await inputOf(bank, task)).toMatchObject({ approved: false });
    const error = await bank.admin.approve(twice, { person, runs: 2 }).catch((e: unknown) => e);
    expect(isCoded(error, 'grant-exceeds-policy')).toBe(true);
    expect((error as Error).message).toContain('of 2 statements, each of which counts');
    await bank.admin.approve(twice, { person, runs: 1 });
    await bank.admin.approve(task, { person, runs: 2 });
    expect(await inputOf(bank, task)).toMatchObject({ approved: true, runsLeft: 2 });
    const grants = bank.gateway.follower.state.tasks.get(task)?.approvals.values() ?? [];
    const [grant] = [...grants];
    expect((grant?.until ?? 0) - (grant?.from ?? 0)).toBeLessThanOrEqual(3 * DAY);
  });
});

describe('a task', () => {
  it('that a policy forbids is declined by the owner, and stays so after a restart', async () => {
    await add(bank, 'closed', policy({ columns: { age: { rule: 'hidden' } } }));
    const task = await propose('bank/closed');
    await eventually(async () => (await bank.admin.task(task)).declines.length > 0);
    const [decline] = (await bank.admin.task(task)).declines;
    expect(decline?.by).toBe('bank');
    const before = federation.ledger.ledger.head().size;
    await federation.stop('bank');
    bank = await federation.start('bank');
    await settled(bank);
    const again = (await bank.admin.events(before)).events.filter((e) => e.kind === 'decline');
    expect(again).toEqual([]);
  });

  it('whose openings were garbled is declined, shown by its ids, and hides no other', async () => {
    const { dataset } = await add(bank, 'honest', policy());
    const openings = await hospital.gateway.blobs.put(utf8('no openings'));
    const { world } = federation;
    const version = bank.gateway.follower.state.datasets.get(dataset.dataset)?.versions.get(1);
    if (version === undefined) throw new Error('no version');
    const body = world.taskBody([version.body], { openings });
    const bytes = await world.sign(world.identity('hospital'), 'task', body);
    const { seq } = await federation.ledger.ledger.append(bytes);
    await bank.gateway.follower.reached(seq + 1, 5_000);
    const key = bank.gateway.follower.record(seq)?.event?.key ?? '';
    await eventually(async () => (await bank.admin.task(key)).declines.length > 0);
    const shown = (await bank.admin.tasks()).find((t) => t.task === key);
    expect(shown?.purpose).toMatch(/^\(not readable: /);
    expect((await bank.admin.tasks()).length).toBeGreaterThan(1);
  });
});

it('shows entries that are no events', async () => {
  const { seq } = await federation.ledger.ledger.append(utf8('no event at all'));
  await bank.gateway.follower.reached(seq + 1, 5_000);
  const [event] = (await bank.admin.events(seq, 1)).events;
  expect(event).toMatchObject({
    kind: 'unreadable',
    signer: 'nobody',
    status: 'void',
    summary: '15 bytes that are no event',
  });
});

describe('a new group key', () => {
  it('has every dataset sealed to it by itself, and approved tasks stay approved', async () => {
    await add(bank, 'lasting', policy());
    const task = await propose('bank/lasting');
    await bank.admin.approve(task, { person: 'Ana Diaz', runs: 2 });
    const before = (await bank.admin.datasets()).filter((d) => d.owner === 'bank');
    expect(new Set(before.map((d) => d.groupKey))).toEqual(new Set(['current']));
    await federation.catchUp();
    await federation.world.formEpoch();
    await federation.publish();
    const mine = async () => (await bank.admin.datasets()).filter((d) => d.owner === 'bank');
    const { world, ledger } = federation;
    await bank.gateway.follower.reached(ledger.ledger.head().size, 5_000);
    const active = () => bank.gateway.follower.state.activeEpoch;
    await eventually(() => active() === world.state.activeEpoch);
    await eventually(async () => (await mine()).every((d) => d.groupKey === 'current'));
    expect((await mine()).length).toBe(before.length);
    expect((await mine()).every((d) => d.version === 1)).toBe(true);
    expect(await inputOf(bank, task)).toMatchObject({ approved: true, runsLeft: 2 });
    // By hand, there is nothing left to do.
    expect(await bank.admin.resealDatasets()).toEqual([]);
  });

  it('is met at the next start by a gateway that was down', async () => {
    await federation.stop('bank');
    await federation.catchUp();
    await federation.world.formEpoch();
    await federation.publish();
    bank = await federation.start('bank');
    const mine = async () => (await bank.admin.datasets()).filter((d) => d.owner === 'bank');
    const { world } = federation;
    await eventually(() => bank.gateway.follower.state.activeEpoch === world.state.activeEpoch);
    await eventually(async () => (await mine()).every((d) => d.groupKey === 'current'));
  });
});

describe('a withdrawn dataset', () => {
  it('is shown as retired everywhere, is nobody’s to ask for, and frees its name', async () => {
    const request = { dataset: (await add(bank, 'ended', policy())).dataset.dataset };
    expect(await codeOf(hospital.admin.withdrawDataset(request))).toBe('event-void');
    const second = bank.admin.withdrawDataset({ ...request, version: 2 });
    expect(await codeOf(second)).toBe('dataset-not-found');
    const recorded = await bank.admin.withdrawDataset(request);
    expect(recorded.status).toBe('accepted');
    await hospital.gateway.follower.reached(recorded.seq + 1, 5_000);
    const listed = await hospital.admin.datasets();
    expect(listed.find((one) => one.dataset === request.dataset)?.retired).toBe(true);
    const task = { code: 'SELECT id FROM t', purpose: 'any', inputs: { t: 'bank/ended' } };
    expect(await codeOf(hospital.admin.checkTask(task))).toBe('dataset-not-found');
    expect(await codeOf(bank.admin.withdrawDataset(request))).toBe('event-void');
    expect((await add(bank, 'ended', policy())).recorded.status).toBe('accepted');
  });
});

describe('leftovers', () => {
  it('are swept when they are old and no work wants them, and not before', async () => {
    const home = federation.home('insurer');
    const folder = await homeFolder(home, 'uploads');
    const [old, young, used] = [join(folder, 'old'), join(folder, 'young'), join(folder, 'used')];
    for (const path of [old, young, used]) await writeFile(path, CSV);
    const now = Date.now();
    for (const path of [old, used]) {
      await utimes(path, new Date(now), new Date(now - 25 * 3_600_000));
    }
    expect(await sweep(home, now, (name) => name === 'used')).toBe(1);
    expect(await namesIn(folder)).toEqual(['used', 'young']);
    expect(await readFile(young, 'utf8')).toBe(CSV);
  });
});

describe('another member’s gateway', () => {
  it('passes on the files of a dataset once it has their list, to strangers too', async () => {
    const { dataset } = await add(bank, 'passed-on', policy());
    const state = () => hospital.gateway.follower.state;
    await eventually(() => state().datasets.has(dataset.dataset));
    const said = state().datasets.get(dataset.dataset)?.versions.get(1)?.body.files as FilesSaid;
    const blobs = new HttpBlobs([new HttpJson({ base: hospital.url })], nodeCrypto);
    const [file] = readFileManifest(await bank.gateway.blobs.get(said.manifest, MOST), said);
    const { blob, leaves } = file as DatasetFile;
    expect(await codeOf(blobs.get(leaves, MOST))).toBe('blob-not-found');
    readFileManifest(await blobs.get(said.manifest, MOST), said);
    expect(await blobs.get(leaves, MOST)).toEqual(await bank.gateway.blobs.get(leaves, MOST));
    // Also after a start, and what no list names is still not fetched.
    await federation.stop('hospital');
    hospital = await federation.start('hospital');
    const later = new HttpBlobs([new HttpJson({ base: hospital.url })], nodeCrypto);
    expect(await later.get(blob, MOST)).toEqual(await bank.gateway.blobs.get(blob, MOST));
    const own = await bank.gateway.blobs.put(utf8('nobody names this'));
    expect(await codeOf(later.get(own, MOST))).toBe('blob-not-found');
  });
});

describe('without the ledger', () => {
  it('reads go on from the local copy, appends are unavailable, and it recovers', async () => {
    const { size } = bank.gateway.follower;
    await federation.ledger.close();
    expect((await bank.client.entries(0)).size).toBe(size);
    expect((await bank.admin.datasets()).length).toBeGreaterThan(0);
    expect((await bank.client.health()).ok).toBe(true);
    const { world } = federation;
    const tick = await world.sign(world.witness('insurer'), 'tick', { time: Date.now() });
    const error = await bank.client.append(tick).catch((e: unknown) => e);
    expect(isCoded(error) && error.kind).toBe('unavailable');
    await federation.resumeLedger();
    expect((await bank.client.append(tick)).status).toBe('accepted');
  });
});
