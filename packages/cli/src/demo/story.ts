// SPDX-License-Identifier: Apache-2.0
// The whole story on one machine, in the order of docs/architecture.md: the world is raised, then
// datasets, a task, approvals, the run, the result, the proof and the bill.
import { openAsBlob } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BillAnswer, KeepersAnswer, RunStatus, VerifyAnswer } from '@cloister/api';
import { cliError, runFailed } from '../errors.ts';
import { CAST, INPUTS, PURPOSE, QUESTION } from './cast.ts';
import { syntheticData } from './data.ts';
import { type Seen, whatTheHostSees } from './host-view.ts';
import { type Refused, refusedActs, startBrokenKeeper } from './refused-acts.ts';
import { playRun } from './story-run.ts';
import { raiseWorker, raiseWorld, until, type World, type WorldOptions } from './world.ts';

type Keeper = KeepersAnswer['keepers'][number];

export interface Told {
  readonly task: string;
  readonly run: RunStatus;
  /** The rows that the recipient opened. */
  readonly result: readonly Record<string, unknown>[];
  /** What the insurer found when it judged each keeper's evidence for itself. */
  readonly keepers: readonly Pick<Keeper, 'operator' | 'tee' | 'family' | 'trust' | 'accepted'>[];
  readonly ledger: VerifyAnswer;
  readonly bill: BillAnswer;
  readonly usage: unknown;
  /** What was tried and not allowed. */
  readonly refused: readonly Refused[];
  readonly host: Seen;
}

/** Tells the story in `folder`; the processes stay on the stage for the caller to stop. */
export async function tellStory(options: WorldOptions & { seed: number }): Promise<Told> {
  const { report } = options;
  const keeperStarts = { hospital: startBrokenKeeper };
  const world = await raiseWorld({ ...options, keeperStarts });
  await addDatasets(world, options.seed);
  const task = await proposeAndApprove(world);
  const run = await runTask(world, task);
  const told = await close(world, { task, run });
  const refused = await refusedActs(world, task);
  const host = await report.step(
    'host',
    'a host looks at all that lies on its disks and in its logs',
    () => whatTheHostSees(world),
    ({ files, rows, found }) => `${files} files: ${found} of ${rows} rows of the data in clear`,
  );
  return { ...told, refused, host };
}

async function addDatasets(world: World, seed: number): Promise<void> {
  const { report, folder, admins } = world;
  const data = syntheticData(seed);
  await mkdir(join(folder, 'input'), { recursive: true });
  await report.step(
    'datasets',
    'each encrypts its own data, field by field, to that key',
    async () => {
      for (const role of CAST) {
        const path = join(folder, 'input', `synthetic-${role.dataset}.csv`);
        await writeFile(path, data[role.id]);
        const admin = admins[role.id];
        const { upload } = await admin.upload(`${role.dataset}.csv`, await openAsBlob(path));
        const price = { currency: 'EUR', run: role.run, row: role.row, gigabyte: 0, second: 0 };
        await admin.addDataset({
          uploads: [upload],
          name: role.dataset,
          policy: role.policy,
          price,
        });
      }
      for (const admin of Object.values(admins)) {
        await until('all datasets', async () => (await admin.status()).datasets === CAST.length);
      }
      return admins.insurer.datasets();
    },
    (all) => all.map((d) => `${d.owner}/${d.name} ${d.rows} rows`).join(', '),
  );
}

async function proposeAndApprove(world: World): Promise<string> {
  const { report, folder, admins } = world;
  await writeFile(join(folder, 'question.sql'), QUESTION);
  const task = await report.step(
    'task',
    'the insurer proposes a joint query; every policy is checked',
    async () => {
      const asked = {
        code: QUESTION,
        purpose: PURPOSE,
        inputs: { ...INPUTS },
        recipients: ['insurer'],
      };
      const answer = await admins.insurer.proposeTask(asked);
      if (answer.check.ok) return answer.task;
      const found = answer.check.findings.map((f) => f.sentence).join('; ');
      throw cliError('task-refused', `the policies do not allow the demo's question: ${found}`);
    },
    (id) => id.slice(0, 16),
  );
  await report.step('approvals', 'each owner approves five runs', async () => {
    for (const role of CAST) {
      await until('the task', async () => (await admins[role.id].status()).tasks > 0);
      await admins[role.id].approve(task, { runs: 5, person: `officer of ${role.name}` });
    }
    await until(
      'the approvals',
      async () => (await admins.insurer.task(task)).state === 'approved',
    );
  });
  return task;
}

async function runTask(world: World, task: string): Promise<RunStatus> {
  const { report } = world;
  const address = await report.step('worker', 'the bank starts a worker', () => raiseWorker(world));
  return report.step(
    'run',
    'it attests, joins, gets the keys, computes, and releases after the receipt',
    async () => {
      const status = await playRun(world, task, address);
      if (status.state === 'failed') throw runFailed(status);
      return status;
    },
    (status) =>
      Object.entries(status.phases)
        .map(([phase, ms]) => `${phase} ${Math.round(ms)} ms`)
        .join(', '),
  );
}

async function close(
  world: World,
  of: { task: string; run: RunStatus },
): Promise<Omit<Told, 'refused' | 'host'>> {
  const { report, admins } = world;
  const { task, run } = of;
  const result = await report.step('result', 'the insurer opens exactly its fields', async () => {
    await until('the release', async () => (await admins.insurer.task(task)).state === 'released');
    const bytes = await admins.insurer.smallResult(run.run, 'jsonl');
    const lines = new TextDecoder().decode(bytes).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  });
  const ledger = await report.step(
    'verify',
    'the ledger is read again and verified',
    () => admins.insurer.verifyLedger(),
    (answer) => `${answer.size} entries, cosigned by ${answer.cosignatures.join(', ')}`,
  );
  const bill = await report.step('bill', 'usage records and prices give the bill', () =>
    admins.insurer.bill(task),
  );
  const usage = (await admins.insurer.task(task)).runs[0];
  const { keepers: judged } = await admins.insurer.keepers();
  const keepers = judged.map(({ operator, tee, family, trust, accepted }) => {
    return { operator, tee, family, trust, accepted };
  });
  return { task, run, result, keepers, ledger, bill, usage };
}
