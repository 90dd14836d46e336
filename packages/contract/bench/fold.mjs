// SPDX-License-Identifier: Apache-2.0
// How many events a second one core admits and folds. A ledger of the usual mix is built first
// (tasks, approvals, worker joins, usage, releases, ticks); then it is read from its start three
// times and the median is printed, split by kind. Events a second of processor time are printed
// too: on a busy machine that is the figure of one core. Run after a build:
//   node packages/contract/bench/fold.mjs [tasks, 300 by default]

import { admit, emptyState, fold, OPERATOR_SUBJECT } from '@cloister/contract';
import { decodeCbor, parseCose } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { START_MS, World } from '@cloister/testkit/world';

const tasks = Number(process.argv[2] ?? 300);
const print = (line) => process.stdout.write(`${line}\n`);
const TARGET = 5_000;

async function ledger() {
  const world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const visits = await world.addDataset('hospital');
  for (let i = 0; i < tasks; i++) {
    const task = await world.propose('bank', [claims, visits]);
    await world.approve('insurer', task, [claims]);
    await world.approve('hospital', task, [visits]);
    const worker = await world.joinWorker('bank', task);
    await world.release(worker, await world.recordUsage(worker));
    await world.must(world.witness('bank'), 'tick', { time: START_MS + 1 + i });
  }
  return { genesis: world.genesis, log: world.log };
}

async function read({ genesis, log }) {
  const state = emptyState(genesis);
  const perKind = new Map();
  let folding = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (const bytes of log) {
    const a = performance.now();
    const event = await admit(bytes, nodeCrypto);
    const b = performance.now();
    const outcome = fold(state, event);
    const c = performance.now();
    if (outcome.status === 'void') throw new Error(outcome.sentence);
    folding += c - b;
    const kind = perKind.get(event.kind) ?? { events: 0, ms: 0 };
    perKind.set(event.kind, { events: kind.events + 1, ms: kind.ms + c - a });
  }
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - start, cpuMs: (user + system) / 1_000, folding, perKind };
}

/** The statements that travel in an event: a join's ticket, a usage record's receipts. */
function carried({ payload }) {
  const { ticket, receipts = [] } = decodeCbor(payload)[3];
  return [...(ticket === undefined ? [] : [ticket]), ...receipts].map((bytes) => parseCose(bytes));
}

/** Processor milliseconds for the bare signature checks of the same events. */
async function bare(log) {
  const statements = log.flatMap((bytes) => {
    const outer = parseCose(bytes);
    const own = outer.claims.sub === OPERATOR_SUBJECT ? [parseCose(outer.payload)] : [];
    return [outer, ...own, ...carried(own[0] ?? outer)];
  });
  const cpu = process.cpuUsage();
  for (const { kid, sigStructure, signature } of statements) {
    if (!(await nodeCrypto.verifyEd25519(kid, sigStructure, signature))) throw new Error('bad');
  }
  const { user, system } = process.cpuUsage(cpu);
  return { signatures: statements.length, cpuMs: (user + system) / 1_000 };
}

const told = await ledger();
const { log } = told;
const runs = [await read(told), await read(told), await read(told)].sort((a, b) => a.ms - b.ms);
const { ms, cpuMs, folding, perKind } = runs[1];
const rate = (spent) => Math.round((1_000 * log.length) / spent);
const cored = `${rate(cpuMs)} events/s of a core (wanted ${TARGET})`;
print(`admit and fold: ${log.length} events, ${cored}`);
print(`  by the wall clock: ${rate(ms)} events/s; the fold alone: ${rate(folding)} events/s`);
const checks = await bare(log);
const share = Math.round((100 * checks.cpuMs) / cpuMs);
print(`  of that ${share} % is ${checks.signatures} bare Ed25519 checks (OpenSSL)`);
for (const [kind, { events, ms: spent }] of [...perKind].sort((a, b) => b[1].ms - a[1].ms)) {
  const each = `${((1_000 * spent) / events).toFixed(0)} us each`;
  print(`  ${kind.padEnd(12)} ${String(events).padStart(6)}  ${each}`);
}
