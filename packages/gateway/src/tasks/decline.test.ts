// SPDX-License-Identifier: Apache-2.0
// What is said of a task before it is one, and what an owner's gateway declines by itself when it
// plans its code again: what the code does not do as its task says, and nothing that is right. The
// proposer writes its event by hand here, so it can say what its own gateway would not.
import { commitTo, encodeParameters, type TaskParameters, textCodeOf } from '@cloister/contract';
import { encodeUses, ofKind, type Planner } from '@cloister/contract/policy';
import { utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { DUCKDB_VERSION } from '@cloister/engine-duckdb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bankAndHospital, eventually } from '../../testing/federation.ts';
import { memberOf } from '../context.ts';
import { sealForMembers } from '../datasets/openings.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

const OPEN = { for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 } as const;
const POLICY = {
  ...OPEN,
  limits: { runs: 'none', days: 'none' },
  columns: { id: { rule: 'reveal' }, age: { rule: 'reveal' } },
};
const CSV = 'id,age\n1,30\n2,41\n';

const { federation, bank, hospital } = await bankAndHospital();
let dataset: string;

beforeAll(async () => {
  const { upload } = await bank.admin.upload('data.csv', new Blob([CSV]));
  const price = { currency: 'EUR' };
  const added = await bank.admin.addDataset({
    uploads: [upload],
    name: 'accounts',
    policy: POLICY,
    price,
  });
  dataset = added.dataset.dataset;
});
afterAll(() => federation.close());

/** A task of the hospital's over both columns; `change` is what it says of its code. */
async function propose(
  code: string,
  change: Partial<Pick<TaskParameters, 'params' | 'outputs'>> & { usesOf?: string } = {},
): Promise<string> {
  const { world, ledger } = federation;
  const { gateway } = hospital;
  const version = bank.gateway.follower.state.datasets.get(dataset)?.versions.get(1);
  if (version === undefined) throw new Error('no version');
  const names = ['id', 'age'];
  const columns = names.map((name, at) => ({ id: at + 1, name, type: 'BIGINT' }));
  const { params = {}, usesOf = code } = change;
  const tables = [{ name: 't', columns }];
  const plan = await ofKind('planner', gateway.planners, 'duckdb').plan({
    code: usesOf,
    params,
    tables,
  });
  const { outputs = plan.outputs } = change;
  const ports = { crypto: nodeCrypto, random: gateway.random };
  const commit = (bytes: Uint8Array) => commitTo(bytes, ports);
  const parts = {
    code: commit(textCodeOf(code)),
    parameters: commit(encodeParameters({ tables: ['t'], params, outputs })),
    uses: commit(encodeUses(plan.uses)),
    purpose: commit(utf8('testing')),
  };
  const all = Object.entries(parts);
  const openings = await sealForMembers(
    gateway,
    ['bank', 'hospital'].map((id) => memberOf(gateway, id)),
    Object.fromEntries(all.map(([name, { opening }]) => [name, opening])),
  );
  await federation.putEverywhere(await gateway.blobs.get(openings, MOST));
  const body = world.taskBody([version.body], {
    ...(Object.fromEntries(all.map(([name, { commitment }]) => [name, commitment])) as object),
    outputs: outputs.map(({ id }) => ({ id, recipients: ['hospital'] })),
    openings,
  });
  const bytes = await world.sign(world.identity('hospital'), 'task', body);
  const { seq } = await ledger.ledger.append(bytes);
  await bank.gateway.follower.reached(seq + 1, 5_000);
  return bank.gateway.follower.record(seq)?.event?.key ?? '';
}

/** The bank's answer; its gateway judges tasks in their order, so a later one's tells of it. */
async function declined(task: string): Promise<string | undefined> {
  const later = await propose('SELECT id FROM t', { usesOf: 'SELECT age AS id FROM t' });
  await eventually(async () => (await bank.admin.task(later)).declines.length > 0);
  const { declines } = await bank.admin.task(task);
  expect(declines.every(({ by }) => by === 'bank')).toBe(true);
  return declines[0]?.code;
}

it('a check says which engine reads what, and what a run will take', async () => {
  const check = (code: string) =>
    hospital.admin.checkTask({ code, inputs: { t: 'bank/accounts' }, purpose: 'testing' });
  const one = await check('SELECT id FROM t');
  const both = await check('SELECT id, age FROM t');
  expect(one).toMatchObject({
    ok: true,
    engine: { kind: 'duckdb', version: DUCKDB_VERSION },
    reads: [{ table: 't', owner: 'bank', columns: ['id'], rows: 2 }],
  });
  expect(both.reads).toMatchObject([{ columns: ['id', 'age'] }]);
  expect(Math.abs(both.cost.bytes - 2 * one.cost.bytes)).toBeLessThan(2);
  expect(both.cost.bytes).toBe(both.reads[0]?.bytes);
  expect(both.cost.memoryBytes).toBeGreaterThan(one.cost.memoryBytes);
  expect(one.cost.milliseconds).toBeGreaterThan(0);
});

describe("an owner's gateway", () => {
  it('plans a task with its parameters, and has nothing against it', async () => {
    const code = 'SELECT id, age FROM t WHERE age > $least';
    const task = await propose(code, { params: { least: 40 } });
    expect(await declined(task)).toBeUndefined();
  });

  it('declines, once, a task of an engine that it has no planner for', async () => {
    const planners = bank.gateway.planners as Map<string, Planner>;
    const planner = ofKind('planner', planners, 'duckdb');
    planners.delete('duckdb');
    const task = await propose('SELECT id FROM t');
    const answered = async () => (await bank.admin.task(task)).declines;
    await eventually(async () => (await answered()).length > 0);
    planners.set('duckdb', planner);
    expect(await declined(task)).toBe('engine-other');
    expect(await answered()).toHaveLength(1);
  });

  it('plans nothing for an engine that it has no planner for, and says which it has', async () => {
    const inputs = { t: 'bank/accounts' };
    const asked = { code: 'SELECT id FROM t', engine: 'spark', inputs, purpose: 'testing' };
    const message =
      'the task is for the engine spark, of which no planner is here: there are duckdb';
    const checked = hospital.admin.checkTask({ ...asked, recipients: [] });
    await expect(checked).rejects.toMatchObject({ code: 'engine-other', message });
  });

  it('declines a task whose parameters give one output the name of another', async () => {
    const outputs = ['age', 'id'].map((name, at) => ({
      ...{ id: at + 1, statement: 0 },
      ...{ name, type: 'BIGINT' },
    }));
    const task = await propose('SELECT id, age FROM t', { outputs });
    expect(await declined(task)).toBe('outputs-differ');
  });

  it('declines, once, code that takes more to be planned than any may', async () => {
    const code = `SELECT id IN (${Array.from({ length: 60_000 }, (_, i) => i)}) AS x FROM t`;
    const task = await propose(code, { usesOf: 'SELECT id > 0 AS x FROM t' });
    expect(await declined(task)).toBe('engine-too-complex');
    expect((await bank.admin.task(task)).declines).toHaveLength(1);
  });

  it('declines code that uses other columns than its task says', async () => {
    const task = await propose('SELECT id FROM t', { usesOf: 'SELECT age AS id FROM t' });
    expect(await declined(task)).toBe('uses-differ');
  });
});
