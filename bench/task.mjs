// SPDX-License-Identifier: Apache-2.0
// The cost of a task over three gateways, three keepers and one worker on this machine, SIMULATED
// hardware, embedded ledger:
//
//   fixed   from submit to a sealed, recorded and released result, on a table of one row, split
//           into the worker's phases: what every task pays whatever its data
//   query   the demo's joint query, against the same DuckDB on the same rows in cleartext
//
// Medians of several runs. Needs a build: npm run bench task

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CAST, INPUTS, QUESTION, raiseWorker, Stage, syntheticData } from '@cloister/cli';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  add,
  approved,
  everybodyKnows,
  median,
  ms,
  raiseQuietly,
  revealing,
  run,
  say,
} from './shared/world.mjs';

const RUNS = 7;
const SEED = 7;

/** Parquet bytes of a query, by DuckDB. */
async function parquet(folder, name, sql) {
  const path = join(folder, `${name}.parquet`);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  return path;
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
  const world = await raiseQuietly(stage, folder);
  const tiny = await parquet(folder, 'tiny', 'SELECT 1 AS a, 2 AS b');
  await add(world.admins.insurer, 'tiny', { paths: [tiny], policy: revealing(['a', 'b']) });
  const data = syntheticData(SEED);
  const plain = {};
  for (const role of CAST) {
    const csv = join(folder, `${role.dataset}.csv`);
    await writeFile(csv, data[role.id]);
    plain[role.dataset] = await parquet(folder, role.dataset, `FROM read_csv('${csv}')`);
    const policy = { ...role.policy, limits: revealing([]).limits };
    await add(world.admins[role.id], role.dataset, { paths: [plain[role.dataset]], policy });
  }
  await everybodyKnows(world, CAST.length + 1);
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
