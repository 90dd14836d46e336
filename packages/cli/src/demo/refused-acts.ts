// SPDX-License-Identifier: Apache-2.0
// What the demo's world refuses, each shown by trying it: a column that its owner hides, a worker
// of another version, a result that nobody computed, a keeper that answers wrongly. Simulated
// hardware vouches here for what is not so, as real hardware does not: what is shown is what
// everybody else makes of it.
import { fileURLToPath } from 'node:url';
import type { RunStatus } from '@cloister/api';
import { measureFiles, type Platform, type RunningNode } from '@cloister/attester';
import { concat, utf8 } from '@cloister/core';
import { cliError } from '../errors.ts';
import { type NodeOptions, startKeeper } from '../start-node.ts';
import { HIDDEN_QUESTION, INPUTS, PURPOSE } from './cast.ts';
import { forgeResult } from './forger.ts';
import { playRun } from './story-run.ts';
import { raiseWorker, until, type World } from './world.ts';

/** What was tried, and what came of it. */
export interface Refused {
  readonly what: string;
  readonly code: string;
  readonly said: string;
}

const BROKEN_KEEPER = fileURLToPath(new URL('./broken-keeper.js', import.meta.url));
/** Starts the keeper of broken-keeper.ts, measured as the one that it pretends to be. */
export async function startBrokenKeeper(options: NodeOptions): Promise<RunningNode> {
  const { encoded } = await measureFiles({ role: 'keeper' });
  const machineOf = (enrolled: Platform) => vouching(enrolled, () => encoded);
  return startKeeper({ ...options, program: BROKEN_KEEPER, machineOf });
}

/** A platform that says of every program that it is another one. */
function vouching(platform: Platform, instead: (program: Uint8Array) => Uint8Array): Platform {
  return { make: platform.make, load: (program) => platform.load(instead(program)) };
}

/** Plays the acts over a task that has runs left. */
export async function refusedActs(world: World, task: string): Promise<Refused[]> {
  const { report } = world;
  const acts: [string, string, (world: World, task: string) => Promise<Refused>][] = [
    ['hidden', 'the insurer asks for a column that the hospital hides', hiddenColumn],
    ['version', 'the bank starts a worker of another version', otherVersion],
    ['forged', 'the bank writes a result of its own and asks no keeper', forgedResult],
    ['share', "the hospital's machine is broken: its keeper answers wrongly", wrongShare],
  ];
  const refused: Refused[] = [];
  for (const [name, title, act] of acts) {
    const told = (one: Refused) => `${one.code}: ${one.said}`;
    refused.push(await report.step(`refused-${name}`, title, () => act(world, task), told));
  }
  return refused;
}

async function hiddenColumn({ admins }: World): Promise<Refused> {
  const { task, check } = await admins.insurer.proposeTask({
    code: HIDDEN_QUESTION,
    purpose: PURPOSE,
    inputs: { ...INPUTS },
    recipients: ['insurer'],
  });
  const finding = check.findings.find(({ owner }) => owner === 'hospital');
  if (finding === undefined) throw notRefused('a hidden column');
  const declined = async () => (await admins.insurer.task(task)).declines;
  await until("the hospital's decline", async () => (await declined()).length > 0);
  const { code } = (await declined())[0] ?? { code: '' };
  return { what: 'a hidden column', code, said: `declined on the ledger; ${finding.sentence}` };
}

async function otherVersion(world: World, task: string): Promise<Refused> {
  const changed = utf8(' of another version');
  const address = await raiseWorker(world, {
    name: 'worker-of-another-version',
    machineOf: (enrolled) => vouching(enrolled, (program) => concat(program, changed)),
  });
  const status = await playRun(world, task, address);
  return refusedRun('a worker of another version', status);
}

async function wrongShare(world: World, task: string): Promise<Refused> {
  const { keepers, stage } = world;
  const [ofInsurer, ofHospital] = keepers as [string, string, string];
  const pid = stage.pidOf(ofHospital);
  if (pid === undefined) throw notRefused("the hospital's keeper");
  process.kill(pid, 'SIGUSR2');
  const address = await raiseWorker(world, {
    name: 'worker-of-two-keepers',
    keepers: [ofHospital, ofInsurer],
    patienceMs: 5_000,
  });
  const status = await playRun(world, task, address);
  return refusedRun("a keeper's wrong answer", status);
}

function refusedRun(what: string, status: RunStatus): Refused {
  if (status.state !== 'failed') throw notRefused(what);
  return { what, code: status.code ?? '', said: status.sentence ?? '' };
}

async function forgedResult(world: World, task: string): Promise<Refused> {
  const { run, answer } = await forgeResult(world, task);
  const bills = await world.admins.insurer.bill(task);
  const billed = bills.some(({ lines }) => lines.some((line) => line.run === run));
  if (answer.status !== 'void' || billed) throw notRefused('a forged result');
  const said = `${answer.sentence ?? ''} Nobody opens it, and nobody is billed for it.`;
  return { what: 'a forged result', code: answer.code ?? '', said };
}

function notRefused(what: string) {
  return cliError('demo-not-refused', `${what} was not refused, as it has to be`);
}
