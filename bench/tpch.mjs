// SPDX-License-Identifier: Apache-2.0
// TPC-H through the whole path (three gateways, three keepers, one worker, SIMULATED hardware),
// beside the same DuckDB with the same threads and memory limit on the cleartext Parquet files:
//
//   once    one task with the 22 statements: inputs are opened and read once
//   alone   22 tasks with one statement each
//
// Cleartext is the files as their owners have them. Gateways write them anew, in a layout that
// takes DuckDB less time, so `once` also says what the queries take on that layout in clear.
//
// Times are from submit to released result, medians of the rounds; every answer of every round is
// compared with cleartext's, types included, and a difference ends the bench. Needs a build, and
// Python 3 for the data: npm run bench tpch -- --sf 10 --rounds 3 --only once
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { raiseWorker, Stage } from '@cloister/cli';
import { DuckDBInstance } from '@duckdb/node-api';
import { convertToParquet } from '../packages/gateway/dist/ingest/index.js';
import { TPCH_TABLES, tpch } from '../tools/tpch.js';
import { PeakMemory } from './shared/peak-memory.mjs';
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
  sum,
} from './shared/world.mjs';

const { values } = parseArgs({
  options: {
    sf: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    memory: { type: 'string', default: '6' },
    only: { type: 'string' },
  },
});
const scale = Number(values.sf);
const rounds = Number(values.rounds);
const threads = Math.min(availableParallelism(), 2);
const memoryBytes = Number(values.memory) * 2 ** 30;
const LIMITS = {
  memoryBytes,
  threads,
  timeMs: 1_200_000,
  outputRows: 10_000_000,
  outputBytes: 512 * 2 ** 20,
};
/** Whose each table is: every owner's keys, gateway and approval are needed. */
const OWNERS = { lineitem: 'bank', orders: 'bank', partsupp: 'hospital', part: 'hospital' };
/** Queries whose ORDER BY leaves the order of equal rows open. */
const TIES = new Set([3, 5, 10, 11, 18]);

const ratio = (a, b) => (a / b).toFixed(2);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

async function cleartext(tables) {
  const memory = { memory_limit: `${memoryBytes / 1024}KiB`, threads: String(threads) };
  const db = await (await DuckDBInstance.create(':memory:', memory)).connect();
  for (const [name, paths] of Object.entries(tables)) {
    const files = paths.map((path) => `'${path}'`).join(', ');
    await db.run(`CREATE VIEW ${name} AS FROM read_parquet([${files}])`);
  }
  return db;
}

/** The tables as a gateway writes them, in clear. */
async function relaidOut(tables, folder) {
  await mkdir(folder);
  const out = {};
  for (const [name, paths] of Object.entries(tables)) {
    out[name] = paths.map((_, i) => join(folder, `${name}-${i}.parquet`));
    for (const [i, path] of paths.entries()) await convertToParquet(path, out[name][i]);
  }
  return out;
}

/** Names, types and rows; a 128-bit integer is written as a decimal, and said to be one. */
function answerOf(reader, number) {
  const types = reader.columnTypes().map(String);
  const rows = reader.getRowsJson().map((row) => JSON.stringify(row));
  return JSON.stringify({
    names: reader.columnNames(),
    types: types.map((type) => (type === 'HUGEINT' ? 'DECIMAL(38,0)' : type)),
    rows: TIES.has(number) ? rows.sort() : rows,
  });
}

/** Runs a query in clear; answers what it gave and the milliseconds that it took. */
async function inClear(db, query, number) {
  const started = performance.now();
  const reader = await db.runAndReadAll(query);
  const time = performance.now() - started;
  return { answer: answerOf(reader, number), time };
}

/** Opens one statement's result as its recipient does, and holds it against cleartext's. */
async function compare(world, of) {
  const { db, folder, runId, statement, number, wanted } = of;
  const bytes = await world.admins.insurer.smallResult(runId, 'parquet', statement);
  const path = join(folder, 'opened.parquet');
  await writeFile(path, bytes);
  const reader = await db.runAndReadAll(`FROM read_parquet('${path}')`);
  if (answerOf(reader, number) !== wanted) throw new Error(`query ${number} differs from clear`);
}

async function addTables(world, db, tables) {
  for (const [name, paths] of Object.entries(tables)) {
    const described = await db.runAndReadAll(`DESCRIBE ${name}`);
    const policy = revealing(described.getRowsJson().map(([column]) => column));
    const owner = OWNERS[name] ?? 'insurer';
    const { dataset } = await add(world.admins[owner], name, { paths, policy });
    say(`  ${name}: ${dataset.rows} rows, ${megabytes(dataset.bytes)} encrypted, of ${owner}`);
  }
  await everybodyKnows(world, Object.keys(tables).length);
}

const inputsOf = (names) =>
  Object.fromEntries(names.map((name) => [name, `${OWNERS[name] ?? 'insurer'}/${name}`]));

/** The tables that a query names. */
const namedIn = (query) =>
  Object.keys(TPCH_TABLES).filter((name) => new RegExp(`\\b${name}\\b`).test(query));

async function bytesIn(world, task) {
  return (await world.admins.insurer.task(task)).runs.at(-1)?.bytesIn ?? 0;
}

async function runOnce(at, task, wanted) {
  const memory = new PeakMemory(at.pid, at.scratch);
  const ran = await run(at.world, task, at.worker);
  const peak = memory.stop();
  for (const [i, answer] of wanted.entries()) {
    const of = { ...at, runId: ran.run, statement: i + 1, number: i + 1, wanted: answer };
    await compare(at.world, of);
  }
  return { ...ran, peak };
}

async function measureOnce(at, queries) {
  const { world, db } = at;
  const code = queries.join('\n');
  const task = await approved(world, { code, inputs: inputsOf(Object.keys(TPCH_TABLES)) });
  const clear = queries.map(() => []);
  const relaid = queries.map(() => []);
  const runs = [];
  // The first round warms up what is kept in memory, on both sides.
  for (let round = 0; round <= rounds; round++) {
    const wanted = [];
    for (const [i, query] of queries.entries()) {
      const { answer, time } = await inClear(db, query, i + 1);
      if (round > 0) clear[i].push(time);
      wanted.push(answer);
    }
    for (const [i, query] of queries.entries()) {
      const { time } = await inClear(at.relaid, query, i + 1);
      if (round > 0) relaid[i].push(time);
    }
    const ran = await runOnce(at, task, wanted);
    if (round > 0) runs.push(ran);
  }
  const times = { clear: clear.map(median), relaid: relaid.map(median) };
  return { ...times, runs, bytes: await bytesIn(world, task) };
}

async function measureAlone(at, query, number) {
  const { world, db } = at;
  const task = await approved(world, { code: query, inputs: inputsOf(namedIn(query)) });
  const clear = [];
  const times = [];
  const computing = [];
  for (let round = 0; round < rounds; round++) {
    const { answer, time } = await inClear(db, query, number);
    const ran = await run(world, task, at.worker);
    const of = { ...at, runId: ran.run, statement: 1, number, wanted: answer };
    await compare(world, of);
    clear.push(time);
    times.push(ran.total);
    computing.push((ran.phases.reading ?? 0) + (ran.phases.computing ?? 0));
  }
  const bytes = await bytesIn(world, task);
  return { clear: median(clear), total: median(times), data: median(computing), bytes };
}

function printOnce({ clear, relaid, runs, bytes }) {
  const total = median(runs.map((r) => r.total));
  const phase = (name) => median(runs.map((r) => r.phases[name] ?? 0));
  say(`one task, 22 statements, loaded once: ${ms(total)}; cleartext ${ms(sum(clear))}`);
  say(`  ratio ${ratio(total, sum(clear))} (goal at SF10: 1.08), ${megabytes(bytes)} decrypted`);
  const same = `${ms(sum(relaid))}, ratio ${ratio(total, sum(relaid))}`;
  say(`  cleartext in the layout that gateways write: ${same}`);
  for (const name of Object.keys(runs[0].phases)) say(`  ${name.padEnd(10)} ${ms(phase(name))}`);
  const peak = Math.max(...runs.map((r) => r.peak.processes));
  const files = Math.max(...runs.map((r) => r.peak.files));
  say(`  peak memory: ${megabytes(peak)} in the worker's processes, ${megabytes(files)} of files`);
}

function printAlone(all) {
  say('each query as a task of its own, loaded alone');
  say('  query  cleartext       task  ratio  reading+computing  decrypted');
  for (const [i, one] of all.entries()) {
    const cells = [
      String(i + 1).padStart(7),
      ms(one.clear).padStart(11),
      ms(one.total).padStart(11),
      ratio(one.total, one.clear).padStart(7),
      ms(one.data).padStart(19),
      megabytes(one.bytes).padStart(11),
    ];
    say(cells.join(''));
  }
  const total = (name) => sum(all.map((one) => one[name]));
  say(`  sum of the tasks ${ms(total('total'))}, of cleartext ${ms(total('clear'))}`);
  say(`  ratio ${ratio(total('total'), total('clear'))} (goal at SF10: 1.40)`);
  say(`  reading and computing without the fixed cost: ${ratio(total('data'), total('clear'))}`);
}

async function main() {
  let data;
  try {
    data = tpch(scale);
  } catch (error) {
    process.stderr.write(`TPC-H cannot be had, nothing was measured: ${error.message}\n`);
    return 1;
  }
  const load = loadavg()[0]?.toFixed(1);
  say(`SF${scale}, ${threads} threads, ${values.memory} GiB, ${rounds} rounds, load ${load}`);
  const folder = await mkdtemp(join(tmpdir(), 'cloister-tpch-'));
  const scratch = await mkdtemp('/dev/shm/cloister-tpch-');
  const stage = new Stage(folder);
  try {
    const db = await cleartext(data.tables);
    const world = await raiseQuietly(stage, folder);
    await addTables(world, db, data.tables);
    const before = new Set(stage.pids);
    const worker = await raiseWorker(world, { scratch, limits: LIMITS });
    const [pid] = stage.pids.filter((one) => !before.has(one));
    await mkdir(join(folder, 'opened'));
    const at = { world, db, worker, pid, scratch, folder: join(folder, 'opened') };
    if (values.only !== 'alone') {
      const relaid = await cleartext(await relaidOut(data.tables, join(folder, 'relaid')));
      printOnce(await measureOnce({ ...at, relaid }, data.queries));
    }
    if (values.only !== 'once') {
      const alone = [];
      for (const [i, query] of data.queries.entries()) {
        alone.push(await measureAlone(at, query, i + 1));
      }
      printAlone(alone);
    }
    say(`every answer equals cleartext DuckDB's; load now ${loadavg()[0]?.toFixed(1)}`);
    return 0;
  } finally {
    await stage.stop();
    await rm(folder, { recursive: true, force: true });
    await rm(scratch, { recursive: true, force: true });
  }
}

process.exit(await main());
