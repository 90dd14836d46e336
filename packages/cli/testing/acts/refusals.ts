// SPDX-License-Identifier: Apache-2.0
// Everything that must not work in a world: each refusal has its code on the ledger and a sentence
// that helps.
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/demo/world.ts';
import type { LedgerEntry, Theatre } from '../theatre.ts';

const HONEST = `SELECT h.smoker, count(*) AS people, avg(i.claims) AS mean_claims
FROM patients h JOIN policies i ON i.person = h.person JOIN accounts b ON b.person = h.person
GROUP BY h.smoker ORDER BY h.smoker`;
const PATIENTS = { inputs: { h: 'hospital/patients' } };

let theatre: Theatre;
/** A task whose grants end a moment after they were given. */
let expiring: string;
let expiry = 0;
/** A task with two runs granted, both used. */
let used: string;

/** The newest void join, once there is one with this code. */
function voidJoin(code: string): Promise<LedgerEntry> {
  return theatre.entry((e) => e.kind === 'join' && e.status === 'void' && e.code === code);
}

export function refusals(opened: () => Theatre): void {
  beforeAll(async () => {
    theatre = opened();
    ({ task: expiring } = await theatre.propose(HONEST));
    expiry = Date.now() + 400;
    await theatre.approve(expiring, { runs: 2, until: expiry });
  });

  describe('code that a policy forbids', () => {
    it.each<[string, string, string, RegExp]>([
      ['a hidden column', 'SELECT h.note FROM h', 'column-hidden', /note is hidden/],
      ['an age row by row', 'SELECT h.age FROM h', 'aggregate-row-by-row', /age may leave only as/],
      ['everything', 'SELECT * FROM h', 'subject-shown', /person says whom a row is about/],
      ['a whole row', 'SELECT h FROM h', 'engine-type-refused', /type STRUCT/],
      [
        'an error with the age in it',
        'SELECT error(CAST(h.age AS VARCHAR)) FROM h',
        'engine-function-refused',
        /function error is not on the list/,
      ],
    ])('%s: its owner declines, with a sentence', async (_what, code, refusal, sentence) => {
      const { task, check } = await theatre.propose(code, PATIENTS);
      expect(check.ok).toBe(false);
      expect(check.findings[0]).toMatchObject({ code: refusal });
      expect(check.findings[0]?.sentence).toMatch(sentence);
      const declined = await theatre.entry(
        (e) => e.kind === 'decline' && e.summary.includes(task.slice(0, 12)),
      );
      expect(declined).toMatchObject({ signer: 'hospital', status: 'accepted' });
      expect(declined.summary).toContain(refusal);
    });

    it('tells a mistake in the SQL to who made it, and puts nothing on the ledger', async () => {
      const before = await theatre.admin('insurer').status();
      const attempt = theatre.propose('SELEC h.age FROM h', PATIENTS);
      await expect(attempt).rejects.toMatchObject({ code: 'engine-syntax' });
      expect((await theatre.admin('insurer').status()).tasks).toBe(before.tasks);
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
      expect(third.sentence).toMatch(/its owner must approve again/);
      expect(await voidJoin('join-run-limit')).toMatchObject({ signer: 'bank-ops' });
    });

    it('a task that nobody approved', async () => {
      const { task } = await theatre.propose(`${HONEST} LIMIT 5`);
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'failed', code: 'join-unapproved' });
      expect(status.sentence).toMatch(/its owner must approve the task/);
      await voidJoin('join-unapproved');
    });

    it('one changed character in approved code: another task, approved by nobody', async () => {
      const { task } = await theatre.propose(HONEST.replace('people', 'peoplo'));
      expect(task).not.toBe(used);
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'failed', code: 'join-unapproved' });
    });

    it('a worker of another environment than the task names', async () => {
      const { task } = await theatre.propose(HONEST, { workers: ['hospital-ops-snp-worker'] });
      await theatre.approve(task, { runs: 1 });
      const status = await theatre.run(task);
      expect(status).toMatchObject({ state: 'failed', code: 'join-environment-not-allowed' });
      expect(status.sentence).toMatch(/does not allow this worker's environment/);
      await voidJoin('join-environment-not-allowed');
    });

    it('a run after the grant expired by the clock of the ledger', async () => {
      await until('the clock to pass the expiry', async () => {
        return (await theatre.admin('insurer').status()).ledger.clock > expiry;
      });
      const status = await theatre.run(expiring);
      expect(status).toMatchObject({ state: 'failed', code: 'join-expired' });
      await voidJoin('join-expired');
    });
  });
}
