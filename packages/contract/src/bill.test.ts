// SPDX-License-Identifier: Apache-2.0
// Bills from accepted prices: amounts, rounding, who pays whom, what is filtered.
import { toHex } from '@cloister/core';
import { MEASURED, START_MS, World } from '@cloister/testkit/world';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { bills, formatAmount, type Known, type MeasuresOf } from './bill.ts';

/** Everyone whom the runs concern has their openings. */
const opened: MeasuresOf = () => MEASURED;

/** The reader has appraised every worker itself. */
const proved: Known = { appraisedOf: () => 'yes' };

let world: World;
let taskKey: string;

beforeAll(async () => {
  world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const visits = await world.addDataset('hospital', {
    price: { currency: 'EUR', run: 1, row: 0, gigabyte: 7, second: 1 },
  });
  const task = await world.propose('bank', [claims, visits]);
  taskKey = toHex(task);
  await world.approve('insurer', task, [claims]);
  await world.approve('hospital', task, [visits]);
  const worker = await world.joinWorker('bank', task);
  await world.recordUsage(worker);
  // Joined and never recorded: the run is used up, and there is nothing to bill.
  await world.joinWorker('bank', task);
});

describe('bills', () => {
  it('bill the proposer for each input, rounded down to a millionth', () => {
    const [visits, claims] = bills(world.state, {}, { ...proved, measuresOf: opened });
    expect(claims).toMatchObject({
      payer: 'bank',
      payee: 'insurer',
      currency: 'EUR',
      simulated: true,
    });
    expect(claims?.lines.map((l) => [l.metric, l.quantity, l.amount, l.counted])).toEqual([
      ['run', 1n, 2_000_000n, 'inside'],
      ['row', 1_000n, 100_000n, 'inside'],
      // 65,536 bytes at 5 EUR a GB: 327.68 millionths.
      ['gigabyte', 65_536n, 327n, 'inside'],
      ['second', 1_500n, 1_500n, 'host'],
    ]);
    expect(claims).toMatchObject({ total: 2_101_827n, sealed: 0 });
    expect(visits?.lines.map((l) => l.amount)).toEqual([1n, 0n, 0n, 1n]);
    expect(visits?.payee).toBe('hospital');
    const line = claims?.lines[0];
    expect(line?.task).toBe(taskKey);
    expect(line?.usage).toBe([...world.state.runs.values()][0]?.usage?.event);
  });

  it('say SIMULATED of a run that was, whatever the charter says later', () => {
    const later = world.fork();
    const { charter } = later.state;
    if (charter === null) throw new Error('a charter is in force');
    later.state.charter = { ...charter, simulated: false, environments: [] };
    expect(bills(later.state, {}, proved).map(({ simulated }) => simulated)).toEqual([true, true]);
  });

  it('count nothing of a worker that the reader has not found good itself', () => {
    for (const found of ['no', 'not-yet'] as const) {
      const [visits, claims] = bills(world.state, {}, { appraisedOf: () => found });
      expect([visits?.total, claims?.total]).toEqual([0n, 0n]);
      expect(claims).toMatchObject({ unproved: 4, sealed: 0 });
      expect(new Set(claims?.lines.map(({ appraised }) => appraised))).toEqual(new Set([found]));
    }
    expect(bills(world.state)[0]?.total).toBe(0n);
  });

  it('leave out what is sealed to the reader, and say so', async () => {
    const dear = world.fork();
    const free = { currency: 'EUR', run: 1, row: 1, gigabyte: 1, second: 0 };
    const gift = await dear.addDataset('hospital', { price: free });
    const task = await dear.propose('bank', [gift]);
    await dear.approve('hospital', task, [gift]);
    await dear.recordUsage(await dear.joinWorker('bank', task));
    const [visits, claims] = bills(dear.state, {}, proved);
    expect(claims?.lines.map((l) => [l.quantity, l.amount]).at(-1)).toEqual([null, null]);
    expect(claims).toMatchObject({ total: 2_100_327n, sealed: 1 });
    // What costs nothing is known to cost nothing.
    expect(visits?.lines.map((l) => [l.quantity, l.amount]).at(-1)).toEqual([null, 0n]);
    expect(visits?.sealed).toBe(1);
  });

  it('owe nothing to oneself: a proposer pays only the other owners', async () => {
    const own = world.fork();
    const accounts = await own.addDataset('bank');
    const claims = await own.addDataset('insurer');
    const task = await own.propose('bank', [accounts, claims]);
    await own.approve('bank', task, [accounts]);
    await own.approve('insurer', task, [claims]);
    await own.recordUsage(await own.joinWorker('bank', task));
    const mine = bills(own.state, { task: toHex(task) }, proved);
    expect(mine.map(({ payer, payee }) => [payer, payee])).toEqual([['bank', 'insurer']]);
    expect(mine[0]?.lines.every((line) => line.dataset === toHex(claims.dataset))).toBe(true);
    expect(bills(own.state, { payee: 'bank' })).toEqual([]);
    const alone = await own.propose('bank', [accounts]);
    await own.approve('bank', alone, [accounts]);
    await own.recordUsage(await own.joinWorker('bank', alone));
    expect(bills(own.state, { task: toHex(alone) })).toEqual([]);
  });

  it('are filtered by time, parties and task', () => {
    expect(bills(world.state, { from: START_MS + 1 })).toEqual([]);
    expect(bills(world.state, { until: START_MS })).toEqual([]);
    expect(bills(world.state, { from: START_MS, until: START_MS + 1 })).toHaveLength(2);
    expect(bills(world.state, { payee: 'insurer' })).toHaveLength(1);
    expect(bills(world.state, { payer: 'insurer' })).toEqual([]);
    expect(bills(world.state, { task: 'ab' })).toEqual([]);
    expect(bills(new World().state)).toEqual([]);
  });

  it('sum exactly where doubles would not', async () => {
    const run = [...world.state.runs.values()][0];
    const state = structuredClone(world.state);
    const usage = [...state.runs.values()][0]?.usage;
    const task = state.tasks.get(run?.task ?? '');
    if (usage == null || task === undefined) throw new Error('no usage');
    for (const input of usage.body.inputs) input.rows = Number.MAX_SAFE_INTEGER;
    for (const price of task.body.prices) price.row = Number.MAX_SAFE_INTEGER;
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    const [first] = bills(state, {}, { ...proved, measuresOf: opened });
    expect(first?.lines[1]?.amount).toBe(most * most);
    expect(first?.total).toBe((first?.lines ?? []).reduce((sum, l) => sum + (l.amount ?? 0n), 0n));
  });

  it('print as decimals', () => {
    expect(formatAmount(1_500_000n)).toBe('1.500000');
    expect(formatAmount(7n)).toBe('0.000007');
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), (amount) => {
        expect(BigInt(formatAmount(amount).replace('.', ''))).toBe(amount);
      }),
    );
  });
});
