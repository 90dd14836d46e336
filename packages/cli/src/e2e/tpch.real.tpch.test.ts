// SPDX-License-Identifier: Apache-2.0
// TPC-H at scale factor 0.01 through the whole path, from `dataset add` to `results open`: one task
// with the 22 published queries over tables of three owners gives what DuckDB gives on cleartext.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, openAsBlob, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MemberId, PURPOSE } from '../demo/cast.ts';
import { Stage } from '../demo/stage.ts';
import { raiseWorker, raiseWorld, until, type World } from '../demo/world.ts';

const COMMAND = fileURLToPath(new URL('../../bin/cloister.js', import.meta.url));
const { tables, queries } = JSON.parse(process.env['CLOISTER_TPCH'] ?? '{}') as {
  tables: Record<string, string[]>;
  queries: string[];
};
/** The rest is the insurer's. */
const OWNERS: Record<string, MemberId> = {
  lineitem: 'bank',
  orders: 'bank',
  partsupp: 'hospital',
  part: 'hospital',
};
/** Queries whose ORDER BY leaves the order of equal rows open. */
const TIES = new Set([3, 5, 10, 11, 18]);

const folder = mkdtempSync(join(tmpdir(), 'cloister-tpch-test-'));
const stage = new Stage(folder);
let world: World;
let db: DuckDBConnection;
let run = '';

const ownerOf = (table: string): MemberId => OWNERS[table] ?? 'insurer';

/** Columns with their types, and rows; a 128-bit integer is written as a decimal. */
async function answerOf(sql: string, number: number) {
  const reader = await db.runAndReadAll(sql);
  const names = reader.columnNames();
  const types = reader
    .columnTypes()
    .map((type) => String(type).replace('HUGEINT', 'DECIMAL(38,0)'));
  const rows = reader.getRowsJson().map((row) => JSON.stringify(row));
  return { names, types, rows: TIES.has(number) ? rows.sort() : rows };
}

/** A table's files; lineitem in two, so that a dataset of several files is among them. */
async function filesOf(table: string): Promise<string[]> {
  if (table !== 'lineitem') return tables[table] ?? [];
  const halves = [join(folder, 'first.parquet'), join(folder, 'second.parquet')];
  for (const [i, half] of halves.entries()) {
    const rows = `SELECT * FROM lineitem WHERE (l_orderkey > 30000) = (${i} = 1)`;
    await db.run(`COPY (${rows}) TO '${half}' (FORMAT parquet)`);
  }
  return halves;
}

async function addTable(table: string): Promise<void> {
  const admin = world.admins[ownerOf(table)];
  const columns = (await db.runAndReadAll(`DESCRIBE ${table}`)).getRowsJson();
  const uploads: string[] = [];
  for (const path of await filesOf(table)) {
    uploads.push((await admin.upload(`${table}.parquet`, await openAsBlob(path))).upload);
  }
  const policy = {
    ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
    limits: { runs: 'none', days: 'none' },
    columns: Object.fromEntries(columns.map(([name]) => [String(name), { rule: 'reveal' }])),
  };
  await admin.addDataset({ uploads, name: table, policy, price: { currency: 'EUR' } });
}

beforeAll(async () => {
  db = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
  for (const [table, [path]] of Object.entries(tables)) {
    await db.run(`CREATE VIEW ${table} AS FROM read_parquet('${path}')`);
  }
  const step = <T>(_: string, __: string, work: () => Promise<T>) => work();
  const report = { timings: {}, step, say: () => undefined, close: () => undefined };
  world = await raiseWorld({ folder, stage, report });
  for (const table of Object.keys(tables)) await addTable(table);
  for (const admin of Object.values(world.admins)) {
    await until('all tables', async () => (await admin.status()).datasets === 8);
  }
}, 300_000);

afterAll(async () => {
  await stage.stop();
  db.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

describe('TPC-H through the whole path', () => {
  it('all 22 queries are allowed, approved and run as one task', async () => {
    const { insurer } = world.admins;
    const names = Object.keys(tables);
    const inputs = Object.fromEntries(names.map((name) => [name, `${ownerOf(name)}/${name}`]));
    const asked = { code: queries.join('\n'), purpose: PURPOSE, inputs };
    const { task, check } = await insurer.proposeTask(asked);
    expect(check.findings).toEqual([]);
    expect(new Set(check.outputs.map(({ statement }) => statement)).size).toBe(22);
    for (const [member, admin] of Object.entries(world.admins)) {
      await until('the task', async () => (await admin.tasks()).some((t) => t.task === task));
      await admin.approve(task, { person: `officer of ${member}` });
    }
    await until('approval', async () => (await insurer.task(task)).state === 'approved');
    const worker = await raiseWorker(world);
    let status = await insurer.startRun(task, worker);
    while (status.state !== 'released' && status.state !== 'failed') {
      status = await insurer.runStatus(status.run, { known: status.state, waitMs: 10_000 });
    }
    expect(status).toMatchObject({ state: 'released' });
    run = status.run;
  }, 120_000);

  it.each(queries.map((query, i) => [i + 1, query] as const))(
    'query %i gives what cleartext gives',
    async (number, query) => {
      const bytes = await world.admins.insurer.smallResult(run, 'parquet', number);
      const path = join(folder, `opened-${number}.parquet`);
      writeFileSync(path, bytes);
      const opened = await answerOf(`FROM read_parquet('${path}')`, number);
      expect(opened).toEqual(await answerOf(query, number));
    },
  );

  it('the command line shows all statements, one of them, or writes a file for each', async () => {
    const open = ['results', 'open', '--home', world.homes.insurer, run];
    const cloister = (...more: string[]) =>
      execFileSync(process.execPath, [COMMAND, ...open, ...more], { encoding: 'utf8' });
    const all = cloister();
    expect(all.match(/^-- statement \d+$/gm)).toHaveLength(22);
    const sixth = cloister('--statement', '6');
    expect(all).toContain(`-- statement 6\n${sixth}-- statement 7\n`);
    expect(sixth.startsWith('revenue\n')).toBe(true);
    const out = join(folder, 'out');
    cloister('--out', `${out}.csv`);
    const written = readdirSync(folder).filter((name) => /^out-\d+\.csv$/.test(name));
    expect(written).toHaveLength(22);
    expect(readFileSync(`${out}-6.csv`, 'utf8')).toBe(sixth);
    await expect(world.admins.insurer.smallResult(run, 'csv')).rejects.toMatchObject({
      code: 'result-many-statements',
    });
    await expect(world.admins.insurer.smallResult(run, 'csv', 23)).rejects.toMatchObject({
      code: 'result-not-found',
    });
    await expect(world.admins.bank.result(run)).rejects.toMatchObject({
      code: 'result-not-for-you',
    });
  });
});
