// SPDX-License-Identifier: Apache-2.0
// Work on datasets over the admin API: it is answered with an id at once and followed, it happens
// once, it waits its turn, and what died with a gateway is told by the next one.
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetJob, DatasetRequest } from '@cloister/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  codeOf,
  eventually,
  Federation,
  namesIn,
  type Started,
  settled,
  withKeepers,
} from '../../testing/federation.ts';

const ROWS = Array.from({ length: 20_000 }, (_, i) => `${i},${i % 90},note ${i}`);
const CSV = `id,age,note\n${ROWS.join('\n')}\n`;
const POLICY = {
  ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' } },
};

let federation: Federation;
let bank: Started;
beforeAll(async () => {
  federation = await Federation.create(withKeepers);
  bank = await federation.start('bank');
  await settled(bank);
});
afterAll(() => federation.close());

async function send(text = CSV): Promise<string> {
  return (await bank.admin.upload('data.csv', new Blob([text]))).upload;
}

async function asked(name: string, change: Partial<DatasetRequest> = {}): Promise<DatasetRequest> {
  const uploads = change.uploads ?? [await send()];
  return { uploads, name, policy: POLICY, price: { currency: 'EUR' }, ...change };
}

/** Every status of some work until its end, as a client that polls sees them. */
async function watch({ job }: DatasetJob): Promise<DatasetJob[]> {
  const seen = [await bank.admin.datasetJob(job)];
  for (let last = seen[0]; last?.state !== 'added' && last?.state !== 'failed'; ) {
    last = await bank.admin.datasetJob(job, { known: last?.state ?? '', waitMs: 5_000 });
    seen.push(last);
  }
  return seen;
}

async function restart(whileDown: () => Promise<void> = async () => undefined): Promise<void> {
  await federation.stop('bank');
  await whileDown();
  bank = await federation.start('bank');
  await settled(bank);
}

const inHome = (...path: string[]) => join(federation.home('bank'), ...path);
const uploadsLeft = () => namesIn(inHome('uploads'));
const mine = async (name: string) =>
  (await bank.admin.datasets()).filter((d) => d.owner === 'bank' && d.name === name);

describe('an upload', () => {
  it('tells how far it is, sent and inspected', async () => {
    const sent: number[] = [];
    const seen = await bank.admin.upload('d.csv', new Blob([CSV]), { onSent: (n) => sent.push(n) });
    expect(sent.at(-1)).toBe(CSV.length);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    expect(seen).toMatchObject({ format: 'csv', rows: 20_000 });
    await bank.admin.discardUpload(seen.upload);
    expect(
      await codeOf(bank.admin.startDataset(await asked('x', { uploads: [seen.upload] }))),
    ).toBe('upload-not-found');
  });

  it('that is refused is gone, and says why', async () => {
    expect(await codeOf(send('id,age\n1\n'))).toBe('csv-row-ragged');
    expect(await uploadsLeft()).toEqual([]);
  });

  it.each(['0'.repeat(32), 'x', '..%2Fkeys.json'])('is not found under %s', async (id) => {
    const { http } = bank.admin;
    expect(await codeOf(http.bytes({ path: `/admin/v1/uploads/${id}` }))).toBe('upload-not-found');
  });
});

describe('work on a dataset', () => {
  it('is answered at once, goes through its states in order, and ends on the ledger', async () => {
    const uploads = [await send(), await send()];
    const begun = await bank.admin.startDataset(await asked('followed', { uploads }));
    expect(begun).toMatchObject({ name: 'followed', files: 2, error: null, added: null });
    expect(['queued', 'converting']).toContain(begun.state);
    expect((await bank.admin.datasetJobs()).map(({ job }) => job)).toEqual([begun.job]);
    const seen = await watch(begun);
    for (const { progress, file } of seen) {
      if (progress !== null) expect(progress.done).toBeLessThanOrEqual(progress.of);
      expect(file).toBeLessThanOrEqual(2);
    }
    const states = [...new Set(seen.map(({ state }) => state))];
    const order = [
      'queued',
      'converting',
      'encrypting',
      'checking',
      'comparing',
      'storing',
      'recording',
      'added',
    ];
    expect(order.filter((state) => states.includes(state as never))).toEqual(states);
    expect(states.length).toBeGreaterThan(3);
    expect(seen.at(-1)?.added).toMatchObject({
      dataset: { dataset: begun.job, name: 'followed', rows: 40_000 },
      recorded: { status: 'accepted' },
    });
    expect(await bank.admin.datasetJobs()).toEqual([]);
    expect(await uploadsLeft()).toEqual([]);
  });

  it('waits for the work before it', async () => {
    const requests = [await asked('first'), await asked('second')];
    const [first, second] = [
      await bank.admin.startDataset(requests[0] as DatasetRequest),
      await bank.admin.startDataset(requests[1] as DatasetRequest),
    ];
    let together = 0;
    for (let { state } = first; state !== 'added'; ) {
      const { state: behind } = await bank.admin.datasetJob(second.job);
      ({ state } = await bank.admin.datasetJob(first.job, { known: state, waitMs: 0 }));
      if (state === 'added') break;
      expect(behind).toBe('queued');
      together += 1;
    }
    expect(together).toBeGreaterThan(3);
    expect((await watch(second)).at(-1)?.state).toBe('added');
  });

  it('asked for twice with the same upload is done once, also when it has ended', async () => {
    const request = await asked('once');
    const jobs = await Promise.all([1, 2, 3].map(() => bank.admin.startDataset(request)));
    expect(new Set(jobs.map(({ job }) => job)).size).toBe(1);
    await watch(jobs[0] as DatasetJob);
    const again = await bank.admin.addDataset(request);
    expect(again.dataset.dataset).toBe(jobs[0]?.job);
    expect(await mine('once')).toHaveLength(1);
    // Other words over the same file are no repetition.
    for (const change of [{ name: 'twice' }, { policy: { ...POLICY, k: 3 } }]) {
      const other = bank.admin.startDataset({ ...request, ...change });
      expect(await codeOf(other)).toBe('upload-in-use');
    }
  });

  it('keeps its upload and its name from others while it is under way', async () => {
    const request = await asked('held');
    const begun = await bank.admin.startDataset(request);
    const taken = await asked('held');
    expect(await codeOf(bank.admin.startDataset(taken))).toBe('dataset-name-taken');
    const [upload = ''] = request.uploads;
    expect(await codeOf(bank.admin.discardUpload(upload))).toBe('upload-in-use');
    expect((await watch(begun)).at(-1)?.state).toBe('added');
    await bank.admin.discardUpload(taken.uploads[0] ?? '');
  });

  it('that is refused keeps its code for who asks later, and nothing plain', async () => {
    const begun = await bank.admin.startDataset(await asked('bad', { policy: { k: 1 } }));
    expect((await watch(begun)).at(-1)).toMatchObject({
      state: 'failed',
      error: { code: 'policy-malformed', kind: 'malformed' },
    });
    expect(await codeOf(bank.admin.followDataset(begun.job))).toBe('policy-malformed');
    await restart();
    const [kept] = (await bank.admin.datasetJobs()).filter(({ job }) => job === begun.job);
    expect(kept).toMatchObject({ state: 'failed', error: { code: 'policy-malformed' } });
    expect(await uploadsLeft()).toEqual([]);
    expect((await stat(inHome('jobs', `${begun.job}.json`))).mode & 0o077).toBe(0);
  });

  it('is bounded in how much may wait', async () => {
    const requests = [await asked('many', { uploads: [await send(CSV.repeat(2))] })];
    for (let i = 1; i <= 20; i++) {
      requests.push(await asked(`many-${i}`, { uploads: [await send('id\n1\n')], policy: {} }));
    }
    const codes = await Promise.all(requests.map((r) => codeOf(bank.admin.startDataset(r))));
    expect(codes.filter((code) => code === 'accepted')).toHaveLength(20);
    const refused = codes.indexOf('gateway-overloaded');
    await bank.admin.discardUpload(requests[refused]?.uploads[0] ?? '');
    await eventually(async () =>
      (await bank.admin.datasetJobs()).every(({ state }) => state === 'failed'),
    );
    expect(await uploadsLeft()).toEqual([]);
  });

  it.each(['0'.repeat(32), 'x'])('is not found under %s', async (id) => {
    expect(await codeOf(bank.admin.datasetJob(id))).toBe('dataset-job-not-found');
  });
});

describe('a gateway that stops', () => {
  it('says afterwards which work was lost, and adds it when it is asked again', async () => {
    const requests = [await asked('lost'), await asked('never-begun')];
    const begun: DatasetJob[] = [];
    for (const request of requests) begun.push(await bank.admin.startDataset(request));
    await restart();
    for (const { job } of begun) {
      expect(await bank.admin.datasetJob(job)).toMatchObject({
        state: 'failed',
        error: { code: 'dataset-interrupted', kind: 'unavailable' },
      });
      expect(await codeOf(bank.admin.followDataset(job))).toBe('dataset-interrupted');
    }
    expect(await uploadsLeft()).toEqual([]);
    expect(await mine('lost')).toEqual([]);
    const again = await bank.admin.addDataset(await asked('lost'));
    expect(again.recorded.status).toBe('accepted');
  });

  it('as by a power cut loses no work silently, and what is on the ledger is added', async () => {
    const whole = await bank.admin.addDataset(await asked('reached'));
    const id = whole.dataset.dataset;
    const lost = 'ab'.repeat(16);
    const upload = await send();
    // As such an end leaves the folder: records without an end, files half done.
    await restart(async () => {
      const path = inHome('jobs', `${id}.json`);
      const { ended: _, ...open } = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify(open));
      const other = { ...open, job: lost, name: 'cut-off', uploads: [upload] };
      await writeFile(inHome('jobs', `${lost}.json`), JSON.stringify(other));
      await writeFile(inHome('jobs', `${'cd'.repeat(16)}.json`), '{"job":');
      for (const left of [`${upload}.parquet`, `${lost}.encrypted`, '.ingest-left']) {
        await writeFile(inHome('uploads', left), CSV);
      }
    });
    expect(await bank.admin.datasetJob(id)).toMatchObject({ state: 'added', added: whole });
    expect((await bank.admin.datasetJob(lost)).error?.code).toBe('dataset-interrupted');
    expect(await uploadsLeft()).toEqual([]);
  });

  it('forgets what ended long ago', async () => {
    const old = await bank.admin.startDataset(await asked('old', { policy: {} }));
    await watch(old);
    await restart(async () => {
      const path = inHome('jobs', `${old.job}.json`);
      const record = JSON.parse(await readFile(path, 'utf8'));
      record.ended.at -= 8 * 86_400_000;
      await writeFile(path, JSON.stringify(record));
    });
    expect((await bank.admin.datasetJobs()).some(({ job }) => job === old.job)).toBe(false);
    expect(await namesIn(inHome('jobs'))).not.toContain(`${old.job}.json`);
    expect(await codeOf(bank.admin.datasetJob(old.job))).toBe('dataset-job-not-found');
  });
});
