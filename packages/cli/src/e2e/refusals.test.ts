// SPDX-License-Identifier: Apache-2.0
// One raised world, one honest run, and everything that must not work: each refusal has its code on
// the ledger and a sentence that helps.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTheatre, type Theatre } from './testing.ts';

const HONEST = `SELECT h.smoker, count(*) AS people, avg(i.claims) AS mean_claims
FROM patients h JOIN policies i ON i.person = h.person JOIN accounts b ON b.person = h.person
GROUP BY h.smoker ORDER BY h.smoker`;
const PATIENTS = { inputs: { h: 'hospital/patients' } };

let theatre: Theatre;
/** A task whose grants were over a moment after they were given. */
let expiring: string;
/** A task with two runs granted, both used. */
let used: string;

beforeAll(async () => {
  theatre = await openTheatre();
  ({ task: expiring } = await theatre.propose(HONEST));
  await theatre.approve(expiring, { runs: 2, until: Date.now() + 400 });
}, 120_000);

afterAll(() => theatre?.close());

describe('code that a policy forbids', () => {
  it.each<[string, string, RegExp]>([
    ['a hidden column', 'SELECT h.note FROM h', /hidden/],
    ['an age row by row', 'SELECT h.age FROM h', /row by row/],
    ['SELECT *', 'SELECT * FROM h', /./],
    ['a whole row', 'SELECT h FROM h', /./],
    ['an error with the age in it', 'SELECT error(CAST(h.age AS VARCHAR)) FROM h', /./],
  ])('%s: declined by its owner, with a sentence', async (_what, code, sentence) => {
    const { task, check } = await theatre.propose(code, PATIENTS);
    console.log(code, JSON.stringify(check.findings.map((f) => [f.code, f.sentence])));
    expect(check.ok).toBe(false);
    expect(check.findings[0]?.sentence).toMatch(sentence);
    const declined = await theatre.entry((e) => e.kind === 'decline');
    expect(declined.signer).toBe('hospital');
    expect(declined.summary).toContain(task.slice(0, 12));
  });
});

describe('runs that were not granted', () => {
  it('two runs of a two-run grant give results, the third is void', async () => {
    ({ task: used } = await theatre.propose(HONEST));
    await theatre.approve(used, { runs: 2 });
    for (const _ of [1, 2]) {
      const status = await theatre.run(used);
      expect(status).toMatchObject({ state: 'released' });
      expect(await theatre.rows(status.run)).toHaveLength(2);
    }
    const third = await theatre.run(used);
    expect(third).toMatchObject({ state: 'failed', code: 'join-run-limit' });
    console.log(third.sentence);
    const entry = await theatre.entry((e) => e.kind === 'join' && e.status === 'void');
    expect(entry.code).toBe('join-run-limit');
  });

  it('an unapproved task', async () => {
    const { task } = await theatre.propose(`${HONEST} LIMIT 5`);
    const status = await theatre.run(task);
    expect(status).toMatchObject({ state: 'failed', code: 'join-unapproved' });
    console.log(status.sentence);
  });

  it('one changed character in approved code is another task', async () => {
    const { task } = await theatre.propose(HONEST.replace('people', 'peoplo'));
    expect(task).not.toBe(used);
    const status = await theatre.run(task);
    expect(status).toMatchObject({ state: 'failed', code: 'join-unapproved' });
  });

  it('a worker of another measurement than the task names', async () => {
    const { task } = await theatre.propose(HONEST, { workers: ['hospital-ops-snp-worker'] });
    await theatre.approve(task, { runs: 1 });
    const status = await theatre.run(task);
    expect(status).toMatchObject({ state: 'failed', code: 'join-measurement-not-allowed' });
    console.log(status.sentence);
  });

  it('after the grant has expired by the ledger clock', async () => {
    const status = await theatre.run(expiring);
    expect(status).toMatchObject({ state: 'failed', code: 'join-expired' });
    console.log(status.sentence);
  });
});
