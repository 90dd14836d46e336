// SPDX-License-Identifier: Apache-2.0
// What adding a dataset would be refused with is said when its file is looked at, all of it at
// once, and again before any work on it begins; nothing is converted for that.
import { join } from 'node:path';
import { UPLOAD_TYPE } from '@cloister/api';
import { BLOB_MOST } from '@cloister/contract';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAmongKeepers, codeOf, namesIn } from '../../testing/federation.ts';
import { REMARK_MEANS } from '../ingest/index.ts';
import { refuseLongOpenings } from './openings.ts';
import { MAX_UPLOAD_BYTES, refuseSize } from './uploads.ts';

const CSV = 'id,age,zip\n1,30,007\n2,,94107\n3,30,10115\n';
const FREE = { currency: 'EUR' };
const POLICY = {
  ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' } },
};

const { federation, bank } = await bankAmongKeepers();
afterAll(() => federation.close());

async function send(text = CSV, samples = 0) {
  return bank.admin.upload('data.csv', new Blob([text]), { samples });
}

async function check(more: object = {}, text = CSV) {
  const { upload } = await send(text);
  const answer = await bank.admin.checkDataset({ uploads: [upload], ...more });
  await bank.admin.discardUpload(upload);
  return answer;
}

describe('a file that is looked at', () => {
  it('counts absent values of each column, and shows some values when asked', async () => {
    const { columns } = await send(`${CSV}4,40,${'9'.repeat(80)}\n`, 2);
    expect(columns.map(({ name, nulls, samples }) => [name, nulls, samples])).toEqual([
      ['id', 0, ['1', '2']],
      ['age', 1, ['30', '40']],
      ['zip', 0, ['007', '94107']],
    ]);
    const [long] = (await send(`a\n${'9'.repeat(80)}\n`, 1)).columns;
    expect(long?.samples).toEqual([`${'9'.repeat(60)}…`]);
    expect((await send()).columns[0]).toEqual({ name: 'id', type: 'BIGINT', nulls: 0 });
    expect(await codeOf(send(CSV, 21))).toBe('request-malformed');
  });

  it('says what each warning means, by its kind', async () => {
    const { warnings } = await send();
    expect(warnings).toEqual([
      {
        kind: 'leading-zeros',
        column: 'zip',
        says: expect.stringMatching(/^column zip holds numbers with leading zeros, in 1 row/),
        means: REMARK_MEANS['leading-zeros'],
        inexact: true,
      },
    ]);
    for (const means of Object.values(REMARK_MEANS)) expect(means).toMatch(/^[a-z].{20,}[^.]$/i);
  });
});

describe('a check', () => {
  it('answers types and rules, and finds nothing where nothing is wrong', async () => {
    expect(await check({ name: 'free', policy: POLICY, types: { age: 'DOUBLE' } })).toEqual({
      columns: [
        { name: 'id', type: 'BIGINT', rule: 'reveal' },
        { name: 'age', type: 'DOUBLE', rule: 'hidden' },
        { name: 'zip', type: 'VARCHAR', rule: 'hidden' },
      ],
      findings: [],
      notes: [],
    });
    expect((await check()).columns[0]).toEqual({ name: 'id', type: 'BIGINT', rule: null });
  });

  it('finds all that is wrong, each with what was meant', async () => {
    const { upload } = await send();
    await bank.admin.addDataset({ uploads: [upload], name: 'taken', policy: POLICY, price: FREE });
    const columns = { idd: { rule: 'reveal' }, agee: { rule: 'hidden' } };
    const found = await check({ name: 'taken', policy: { ...POLICY, columns } });
    expect(found.findings.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      expect.stringMatching(/^dataset-name-taken: .* called taken: choose another name, or/),
      expect.stringMatching(
        /^policy-unknown-column: .*: idd \(did you mean id\?\), agee \(did you mean age\?\)$/,
      ),
    ]);
    const type = await check({ types: { zipp: 'VARCHAR' } });
    expect(type.findings).toMatchObject([
      { code: 'column-unknown', message: 'there is no column zipp (did you mean zip?)' },
    ]);
    const slip = await check({ types: { zip: 'VARCHR' }, policy: { ...POLICY, limit: {} } });
    expect(slip.findings).toMatchObject([
      { code: 'column-type-unknown', message: expect.stringMatching(/did you mean VARCHAR\?/) },
      { code: 'policy-malformed', message: expect.stringMatching(/limit \(did you mean limits\?/) },
    ]);
    expect((await check({ strict: true })).findings).toMatchObject([{ code: 'not-exact' }]);
    const chosen = await check({ strict: true, types: { zip: 'VARCHAR' } });
    expect(chosen.findings).toEqual([]);
  });

  it('notes a member that nobody is', async () => {
    const columns = { id: { rule: 'reveal', for: ['hospitl', 'bank'] } };
    expect((await check({ policy: { ...POLICY, columns } })).notes).toEqual([
      'the policy is for hospitl, and no member is called so (did you mean hospital?)',
    ]);
  });

  it('is of several files together', async () => {
    const uploads = [(await send()).upload, (await send('id,age\n1,2\n')).upload];
    const { findings } = await bank.admin.checkDataset({ uploads });
    expect(findings).toMatchObject([{ code: 'dataset-files-differ' }]);
    for (const upload of uploads) await bank.admin.discardUpload(upload);
    expect(await codeOf(bank.admin.checkDataset({ uploads }))).toBe('upload-not-found');
  });
});

it('a file that is too large, or that the disk has no room for, is not taken at all', async () => {
  const free = 10_000;
  refuseSize(free, free);
  expect(() => refuseSize(free + 1, free)).toThrow(/has 10001 bytes, .* disk has 10000 free: free/);
  const url = `${bank.url}/admin/v1/uploads?name=t.csv&size=${MAX_UPLOAD_BYTES + 1}`;
  const sent = await fetch(url, {
    method: 'POST',
    body: 'a\n1\n',
    headers: { authorization: `Bearer ${bank.token}`, 'content-type': UPLOAD_TYPE },
  });
  expect(await sent.json()).toMatchObject({
    error: { code: 'upload-too-large', message: expect.stringMatching(/at most 68719476736 are/) },
  });
});

it('a policy that does not fit ends the work before a file is converted', async () => {
  const { upload } = await send();
  const columns = { x: { rule: 'reveal' } };
  const policy = { ...POLICY, columns };
  const states = new Set<string>();
  const { job } = await bank.admin.startDataset({
    ...{ uploads: [upload], name: 'misfit', policy, price: FREE },
  });
  const work = bank.admin.followDataset(job, ({ state }) => states.add(state));
  expect(await codeOf(work)).toBe('policy-unknown-column');
  expect([...states].every((state) => /queued|converting/.test(state))).toBe(true);
  expect(await namesIn(join(federation.home('bank'), 'uploads'))).not.toContainEqual(
    expect.stringContaining(upload),
  );
});

it('a schema and a policy that nobody could read are refused', () => {
  const opening = (length: number) => ({ salt: new Uint8Array(16), value: new Uint8Array(length) });
  const members = 3;
  const most = Math.floor(BLOB_MOST.openings / members);
  const long = { schema: opening(most - 5_000), policy: opening(5_000) };
  expect(() => refuseLongOpenings(bank.gateway, long)).toThrow(
    /sealed to 3 members \d+, and at most 16777216 are read: shorten/,
  );
  refuseLongOpenings(bank.gateway, { ...long, schema: opening(most - 6_000) });
});
