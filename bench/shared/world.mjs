// SPDX-License-Identifier: Apache-2.0
// What benches share that run tasks through the demo's world: a quiet world, datasets, approved
// tasks, runs, and medians.
import { openAsBlob } from 'node:fs';
import { createReport, PURPOSE, raiseWorld, until } from '@cloister/cli';

const PRICE = { currency: 'EUR', run: 0, row: 0, gigabyte: 0, second: 0 };
const POLL_MS = 10_000;

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
export const sum = (values) => values.reduce((a, b) => a + b, 0);
export const say = (line) => process.stdout.write(`${line}\n`);
export const ms = (value) => `${value.toFixed(0)} ms`;

/** A policy that reveals these columns to anybody for anything. */
export function revealing(columns) {
  return {
    ...{ for: 'any', purpose: 'any', code: 'any', k: 'none', approvals: 1 },
    limits: { runs: 'none', days: 'none' },
    columns: Object.fromEntries(columns.map((column) => [column, { rule: 'reveal' }])),
  };
}

/** The demo's organisations with their gateways and keepers, told to nobody. */
export function raiseQuietly(stage, folder) {
  const report = createReport({ json: false, colour: false });
  const silent = { ...report, step: (_name, _title, work) => work() };
  return raiseWorld({ folder, stage, report: silent });
}

/** Adds a dataset of one or several Parquet files. */
export async function add(admin, name, of) {
  const uploads = [];
  for (const path of of.paths) {
    uploads.push((await admin.upload(`${name}.parquet`, await openAsBlob(path))).upload);
  }
  return admin.addDataset({ uploads, name, policy: of.policy, price: PRICE });
}

/** Waits until every gateway knows so many datasets. */
export async function everybodyKnows(world, datasets) {
  for (const admin of Object.values(world.admins)) {
    await until('all datasets', async () => (await admin.status()).datasets === datasets);
  }
}

/** Proposes a task of the insurer, which every owner approves for 100 runs; answers its id. */
export async function approved(world, request) {
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

/** One run: its id, milliseconds from submit to released, and the worker's phases. */
export async function run(world, task, worker) {
  const { insurer } = world.admins;
  const idle = async () => (await (await fetch(`${worker}/healthz`)).json()).busy === false;
  await until('the worker', idle);
  const started = performance.now();
  let status = await insurer.startRun(task, worker);
  while (status.state !== 'released' && status.state !== 'failed') {
    status = await insurer.runStatus(status.run, { known: status.state, waitMs: POLL_MS });
  }
  const total = performance.now() - started;
  if (status.state === 'failed') throw new Error(`${status.code}: ${status.sentence}`);
  return { run: status.run, total, phases: status.phases };
}
