// SPDX-License-Identifier: Apache-2.0
// The cost of a task over three gateways, three keepers and one worker on this machine, SIMULATED
// hardware, embedded ledger:
//
//   fixed   from submit to a sealed, recorded and released result, on a table of one row, split
//           into the worker's phases: what every task pays whatever its data
//   query   the demo's joint query, against the same DuckDB on the same rows in cleartext
//
// Medians of several runs. Needs a build: npm run bench task

import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CAST,
  createReport,
  INPUTS,
  PURPOSE,
  QUESTION,
  raiseWorker,
  raiseWorld,
  Stage,
  syntheticData,
  until,
} from '@cloister/cli';
import { DuckDBInstance } from '@duckdb/node-api';

const RUNS = 7;
const SEED = 7;
const PRICE = { currency: 'EUR', run: 0, row: 0, gigabyte: 0, second: 0 };
const OPEN_POLICY = {
  for: 'any',
  purpose: 'any',
  code: 'any',
  k: 'none',
  approvals: 1,
  limits: { runs: 'none', days: 'none' },
  columns: { a: { rule: 'reveal' }, b: { rule: 'reveal' } },
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const say = (line) => process.stdout.write(`${line}\n`);
const ms = (value) => `${value.toFixed(0)} ms`;

/** Parquet bytes of a query, by DuckDB. */
async function parquet(folder, name, sql) {
  const path = join(folder, `${name}.parquet`);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  return path;
}

async function add(admin, path, name, policy) {
  const { upload } = await admin.upload(`${name}.parquet`, await openAsBlob(path));
  await admin.addDataset({ uploads: [upload], name, policy, price: PRICE });
}

async function approved(world, request) {
  const { admins } = world;
  const asked = { purpose: PURPOSE, recipients: [], ...request };
  const proposed = await admins.insurer.proposeTask(asked);
  if (!proposed.check.ok) throw new Error(JSON.stringify(proposed.check.findings));
  const view = await admins.insurer.task(proposed.task);
  for (const owner of new Set(view.inputs.map((input) => input.owner))) {
    const admin = admins[owner];
    const known = async () => (await admin.tasks()).some((t) => t.task === proposed.task);
    await until('the task', known);
    await admin.approve(proposed.task, { runs: 100, person: 'bench' });
  }
  const approvedNow = async () => (await admins.insurer.task(proposed.task)).state === 'approved';
  await until('the approvals', approvedNow);
  return proposed.task;
}

/** One run: milliseconds from submit to released, and the worker's phases. */
async function run(world, task, worker) {
  const { insurer } = world.admins;
  const idle = async () => (await (await fetch(`${worker}/healthz`)).json()).busy === false;
  await until('the worker', idle);
  const started = performance.now();
  let status = await insurer.startRun(task, worker);
  while (status.state !== 'released' && status.state !== 'failed') {
    status = await insurer.runStatus(status.run, { known: status.state, waitMs: 10_000 });
  }
  const total = performance.now() - started;
  if (status.state === 'failed') throw new Error(`${status.code}: ${status.sentence}`);
  return { total, phases: status.phases };
}

async function several(world, task, worker) {
  await run(world, task, worker);
  const runs = [];
  for (let i = 0; i < RUNS; i++) runs.push(await run(world, task, worker));
  const names = Object.keys(runs[0].phases);
  return {
    total: median(runs.map((r) => r.total)),
    phases: names.map((name) => [name, median(runs.map((r) => r.phases[name] ?? 0))]),
  };
}

async function cleartext(paths) {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  for (const [name, path] of Object.entries(paths)) {
    await connection.run(`CREATE VIEW ${name} AS FROM read_parquet('${path}')`);
  }
  const times = [];
  for (let i = 0; i <= RUNS; i++) {
    const started = performance.now();
    await (await connection.runAndReadAll(QUESTION)).getRowObjects();
    times.push(performance.now() - started);
  }
  connection.closeSync();
  return median(times.slice(1));
}

const folder = await mkdtemp(join(tmpdir(), 'cloister-bench-'));
const stage = new Stage(folder);
try {
  const report = createReport({ json: false, colour: false });
  const silent = { ...report, step: (_name, _title, work) => work() };
  const world = await raiseWorld({ folder, stage, report: silent });
  const tiny = await parquet(folder, 'tiny', 'SELECT 1 AS a, 2 AS b');
  await add(world.admins.insurer, tiny, 'tiny', OPEN_POLICY);
  const data = syntheticData(SEED);
  const plain = {};
  for (const role of CAST) {
    const csv = join(folder, `${role.dataset}.csv`);
    await writeFile(csv, data[role.id]);
    plain[role.dataset] = await parquet(folder, role.dataset, `FROM read_csv('${csv}')`);
    const policy = { ...role.policy, limits: OPEN_POLICY.limits };
    await add(world.admins[role.id], plain[role.dataset], role.dataset, policy);
  }
  const everybody = Object.values(world.admins);
  for (const admin of everybody) {
    await until('all datasets', async () => (await admin.status()).datasets === CAST.length + 1);
  }
  const worker = await raiseWorker(world);

  const inputs = { t: 'insurer/tiny' };
  const fixedTask = await approved(world, { code: 'SELECT a, b FROM t', inputs });
  const fixed = await several(world, fixedTask, worker);
  say(`fixed cost of a task (a table of one row): ${ms(fixed.total)} (goal 500 ms)`);
  for (const [name, value] of fixed.phases) say(`  ${name.padEnd(10)} ${ms(value)}`);

  const queryTask = await approved(world, { code: QUESTION, inputs: { ...INPUTS } });
  const query = await several(world, queryTask, worker);
  const clear = await cleartext(plain);
  const computing = Object.fromEntries(query.phases).computing ?? 0;
  const beyond = Math.max(query.total - fixed.total, 0);
  const [whole, rest] = [query.total / clear, beyond / clear].map((ratio) => ratio.toFixed(1));
  say(`the demo's query: ${ms(query.total)} as a task, ${ms(clear)} in cleartext DuckDB`);
  say(`  ratio ${whole}; without the fixed cost ${rest}`);
  say(`  of it in the engine's child process: ${ms(computing)}`);
} finally {
  await stage.stop();
  await rm(folder, { recursive: true, force: true });
}
