// SPDX-License-Identifier: Apache-2.0
// From evidence in hand to keys in hand: what a worker waits for between its quote and the master
// keys of 20 columns. Three gateways, three keepers (t = 2) and the embedded ledger are processes
// of their own on loopback, SIMULATED hardware; the worker's own code runs in this process, so that
// each of its requests can be timed. Medians; where requests overlap, their union counts.
//
//   append    the join at a gateway: ledger, fsync, followed and folded
//   cosign    evidence to gateways, cosigned heads, the witnesses' freshness note
//   appraise  the proposer's gateway appraises the worker and seals the openings to it
//   open      keepers: challenge, their own appraisal, nine checks, partial openings
//   rest      planning the code again, combining, waiting between requests
//
// Needs a build: npm run bench keys
import { openAsBlob, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayClient, HttpJson } from '@cloister/api';
import { briskPeer } from '@cloister/attested';
import { inProcessAttester, measureFiles } from '@cloister/attester';
import {
  createReport,
  environmentId,
  PURPOSE,
  platformOf,
  raiseWorld,
  readCard,
  Stage,
  until,
} from '@cloister/cli';
import { CheckpointFollower, signRunTicket } from '@cloister/contract';
import { byKind } from '@cloister/contract/policy';
import { fromHex, systemClock, systemRandom, systemTimers, toBase64, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import { readKeys, readOperator, readOperatorSigner } from '@cloister/gateway/home';
import { DuckDBInstance } from '@duckdb/node-api';

const worker = (name) => import(new URL(`../packages/worker/dist/${name}.js`, import.meta.url));
const { execute } = await worker('run');
const { parseWorkerConfig } = await worker('config');
const { ephemeralKeys, fileData, httpLinks } = await worker('process-ports');

const RUNS = 11;
const COLUMNS = 20;
const GOAL_MS = 100;
const FREE = { currency: 'EUR', run: 0, row: 0, gigabyte: 0, second: 0 };
const names = Array.from({ length: COLUMNS }, (_, i) => `c${i + 1}`);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const say = (line) => process.stdout.write(`${line}\n`);
const ms = (value) => `${value.toFixed(0).padStart(5)} ms`;

/** Every request of this process: its path, and when it was under way. */
const spans = [];
const plainFetch = globalThis.fetch;
globalThis.fetch = async (url, init) => {
  const span = { path: new URL(url).pathname, from: performance.now(), to: Infinity };
  spans.push(span);
  const response = await plainFetch(url, init);
  const bytes = await response.arrayBuffer();
  span.to = performance.now();
  return new Response(response.status === 204 ? null : bytes, response);
};

const CLASSES = {
  append: /^\/v1\/events$/,
  cosign: /^\/v1\/(log\/|freshness|cosign|blobs)/,
  appraise: /^\/v1\/openings$/,
  open: /^\/(v1\/(challenge|open|prove)|healthz)$/,
};

/** Milliseconds of [from, to] that some request of these was under way. */
function covered(chosen, from, to) {
  let end = from;
  let sum = 0;
  for (const span of [...chosen].sort((a, b) => a.from - b.from)) {
    const start = Math.max(end, span.from);
    const stop = Math.min(to, span.to);
    if (stop <= start) continue;
    sum += stop - start;
    end = stop;
  }
  return sum;
}

/** The bank's worker, in this process: its measurement is that of the program that would run. */
async function portsOf(world) {
  const { homes, charter, gateways, keepers, folder } = world;
  const card = await readCard(join(homes.bank, 'hardware', 'sgx.json'));
  const platform = await platformOf(homes.bank, card);
  const { encoded } = await measureFiles({ role: 'worker' });
  const operator = await readOperator(homes.bank);
  const signer = await readOperatorSigner(homes.bank);
  const environment = environmentId(card, 'worker');
  const { genesis, body } = charter;
  const attester = inProcessAttester({
    hardware: await platform.load(encoded),
    role: 'worker',
    operator: { id: operator.id, signer },
    genesis,
    environment,
  });
  const scratch = join(folder, 'scratch');
  await mkdir(scratch);
  const config = parseWorkerConfig({
    name: 'bench',
    genesis: toHex(genesis),
    charter: toBase64(charter.payload),
    operator: operator.id,
    environment,
    gateways,
    keepers,
    scratch,
  });
  const clients = gateways.map((base) => new GatewayClient(new HttpJson({ base })));
  const crypto = nodeCrypto;
  const peers = clients.map((gateway) => briskPeer(gateway, systemTimers));
  return {
    config,
    genesis,
    charter: body,
    attester,
    follower: new CheckpointFollower({
      crypto,
      peers,
      genesis,
      founding: body,
      timers: systemTimers,
    }),
    links: httpLinks(config, { genesis, crypto, clock: systemClock }),
    keys: ephemeralKeys,
    data: fileData(),
    planners: byKind([createDuckdbPlanner()]),
    runners: byKind([createDuckdbRunner({ spare: config.limits })]),
    crypto,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log: { info() {}, warn() {} },
  };
}

/** A table of one row and 20 columns, of which a task reads all, approved for many runs. */
async function approvedTask(world) {
  const { insurer } = world.admins;
  const path = join(world.folder, 'wide.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const columns = names.map((name, i) => `${i} AS ${name}`).join(', ');
  await connection.run(`COPY (SELECT ${columns}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  const { upload } = await insurer.upload('wide.parquet', await openAsBlob(path));
  const rules = Object.fromEntries(names.map((name) => [name, { rule: 'reveal' }]));
  const limits = { runs: 'none', days: 'none' };
  const any = { for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 };
  const policy = { ...any, limits, columns: rules };
  await insurer.addDataset({ uploads: [upload], name: 'wide', policy, price: FREE });
  const code = `SELECT ${names.join(', ')} FROM t`;
  const asked = { code, purpose: PURPOSE, inputs: { t: 'insurer/wide' } };
  const { task } = await insurer.proposeTask(asked);
  await insurer.approve(task, { runs: 1_000, person: 'bench' });
  await until('the approval', async () => (await insurer.task(task)).state === 'approved');
  return fromHex(task);
}

/** What the proposer's gateway asks a worker for: a run of the task, with its ticket. */
async function askedRun(ports, home, task) {
  const { genesis, follower, config } = ports;
  const { identity } = await readKeys(home);
  const run = systemRandom.bytes(16);
  const until = follower.state.clock + follower.charter.deadlines.run;
  const about = { task, run, operator: config.operator, until };
  const ticket = await signRunTicket(identity, 'insurer', { genesis, ticket: about });
  return { task, run, ticket };
}

/** One run: milliseconds from evidence to keys, and of each class within. */
async function once(ports, asked) {
  spans.length = 0;
  let from = 0;
  let to = 0;
  const onPhase = (phase) => {
    if (phase === 'joining') from = performance.now();
    if (phase === 'reading') to = performance.now();
  };
  await execute(ports, asked, onPhase);
  const of = (test) =>
    covered(
      spans.filter((span) => test.test(span.path)),
      from,
      to,
    );
  const parts = Object.entries(CLASSES).map(([name, test]) => [name, of(test)]);
  const total = to - from;
  return { total, parts: { ...Object.fromEntries(parts), rest: total - of(/./) } };
}

/** What keepers logged of their decisions, newest last: milliseconds each. */
function decisions(folder) {
  return ['insurer', 'hospital', 'bank'].flatMap((id) => {
    const lines = readFileSync(join(folder, 'logs', `keeper-${id}.log`), 'utf8').split('\n');
    const opened = lines
      .filter((line) => line.includes('"opened"'))
      .map((line) => JSON.parse(line));
    return opened.slice(1).map(({ keys, milliseconds }) => ({ keys, milliseconds }));
  });
}

const folder = await mkdtemp(join(tmpdir(), 'cloister-keys-'));
const stage = new Stage(folder);
let engines = [];
try {
  const report = createReport({ json: false, colour: false });
  const silent = { ...report, step: (_name, _title, work) => work() };
  const world = await raiseWorld({ folder, stage, report: silent });
  const task = await approvedTask(world);
  const ports = await portsOf(world);
  engines = [...ports.planners.values(), ...ports.runners.values()];
  await until('the task here', async () => {
    await ports.follower.step();
    return ports.follower.state.tasks.has(toHex(task));
  });
  const asked = () => askedRun(ports, world.homes.insurer, task);
  await once(ports, await asked());
  const runs = [];
  for (let i = 0; i < RUNS; i++) runs.push(await once(ports, await asked()));
  const total = median(runs.map((run) => run.total));
  say(`evidence in hand to keys in hand, ${COLUMNS} columns: ${ms(total)} (goal ${GOAL_MS} ms)`);
  for (const name of Object.keys(runs[0].parts)) {
    say(`  ${name.padEnd(10)} ${ms(median(runs.map((run) => run.parts[name])))}`);
  }
  const made = decisions(folder);
  const each = median(made.map(({ milliseconds }) => milliseconds));
  const keys = made[0]?.keys ?? 0;
  const rate = ((1_000 * keys) / each).toFixed(0);
  say(`a keeper's decision over ${keys} keys: ${ms(each)}, ${rate} openings/s`);
} finally {
  await Promise.all(engines.map((engine) => engine.close()));
  await stage.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);
