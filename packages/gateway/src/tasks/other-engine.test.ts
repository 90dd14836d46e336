// SPDX-License-Identifier: Apache-2.0
// A gateway with planners of two kinds: a task of an engine that is no SQL engine is checked,
// proposed, judged and approved like any other, by those that have its planner; an owner that has
// not declines it.
import type { Planner } from '@cloister/contract/policy';
import { SCORECARD_KIND, scorecardPlanner } from '@cloister/testkit/engines';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bankAndHospital, eventually, type Started } from '../../testing/federation.ts';

const OPEN = { for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 } as const;
const POLICY = {
  ...OPEN,
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' }, age: { rule: 'reveal' }, debt: { rule: 'hidden' } },
};
const CSV = 'id,age,debt\n1,30,5\n2,41,7\n';

const engines = ['duckdb', SCORECARD_KIND];
const { federation, bank, hospital } = await bankAndHospital({ engines });
afterAll(() => federation.close());

function setUp({ gateway }: Started): void {
  (gateway.planners as Map<string, Planner>).set(SCORECARD_KIND, scorecardPlanner());
}

function takeAway({ gateway }: Started): void {
  (gateway.planners as Map<string, Planner>).delete(SCORECARD_KIND);
}

const askedOf = (points: Record<string, number>) => ({
  engine: SCORECARD_KIND,
  code: JSON.stringify({ scorecard: 1, input: 't', points, most: { rows: 9, bytes: 999 } }),
  purpose: 'scoring',
  inputs: { t: 'bank/accounts' },
});

beforeAll(async () => {
  setUp(bank);
  setUp(hospital);
  const { upload } = await bank.admin.upload('data.csv', new Blob([CSV]));
  const price = { currency: 'EUR' };
  const about = { uploads: [upload], name: 'accounts', policy: POLICY, price };
  await bank.admin.addDataset(about);
  const here = async () => (await hospital.admin.datasets()).length > 0;
  await eventually(here);
});

describe('a task of another engine', () => {
  it('is checked by its own planner: what it uses, puts out, and may not use', async () => {
    const check = await hospital.admin.checkTask(askedOf({ age: 2, id: 1 }));
    expect(check.ok).toBe(true);
    expect(check.outputs).toEqual([{ id: 1, statement: 1, name: 'score', type: 'BIGINT' }]);
    expect(check.uses.map(({ column }) => column).sort()).toEqual(['(rows)', 'age', 'id']);
    const hidden = await hospital.admin.checkTask(askedOf({ age: 2, debt: -1 }));
    expect(hidden.ok).toBe(false);
    expect(hidden.findings).toMatchObject([{ column: 'debt', code: 'column-hidden' }]);
    const sql = hospital.admin.checkTask({ ...askedOf({}), code: 'SELECT age FROM t' });
    await expect(sql).rejects.toMatchObject({ code: 'scorecard-malformed' });
    const unknown = await hospital.admin.checkTask(askedOf({ height: 1 }));
    const codes = unknown.findings.map((one) => one.code);
    expect([unknown.ok, codes]).toEqual([false, ['scorecard-refused']]);
  });

  it('is approved by an owner whose gateway planned it again', async () => {
    const { task } = await hospital.admin.proposeTask(askedOf({ age: 2 }));
    await eventually(async () => bank.gateway.follower.state.tasks.has(task));
    const { status } = await bank.admin.approve(task, { person: 'Ana Diaz' });
    expect(status).toBe('accepted');
    expect((await bank.admin.task(task)).declines).toEqual([]);
  });

  it('is declined by an owner whose gateway has no planner for it', async () => {
    takeAway(bank);
    const { task } = await hospital.admin.proposeTask(askedOf({ age: 3 }));
    const declines = async () => {
      const found = bank.gateway.follower.state.tasks.has(task);
      return found ? (await bank.admin.task(task)).declines : [];
    };
    await eventually(async () => (await declines()).length > 0);
    expect(await declines()).toMatchObject([{ by: 'bank', code: 'engine-other' }]);
    setUp(bank);
  });
});
