// SPDX-License-Identifier: Apache-2.0
// The whole story on one machine, in the order of spec/ and docs/architecture.md: keys, charter,
// ledger and witnesses, collateral, keepers and their key, datasets, a task, approvals, the run, the
// result, the proof and the bill. Everything goes through the same code as the commands.
import { openAsBlob } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdminClient, BillAnswer, RunStatus, VerifyAnswer } from '@cloister/api';
import { isCoded } from '@cloister/core';
import { createOperator, createOrg, readOperator, readOrg } from '@cloister/gateway';
import { adminOf } from '../admin.ts';
import {
  type CharterFile,
  draftCharter,
  formatCharterFile,
  readCharterFile,
} from '../charter-file.ts';
import { epochEnded } from '../epoch.ts';
import { cliError } from '../errors.ts';
import { prepareGateway } from '../gateway-home.ts';
import { cardPath, createHardware, readCard, simulatedCollateral } from '../hardware.ts';
import { startKeeper, startWorker } from '../nodes.ts';
import { CAST, INPUTS, type MemberId, PURPOSE, QUESTION, WORKER_MAKE } from './cast.ts';
import { syntheticData } from './data.ts';
import type { Report } from './report.ts';
import { freePorts, type Stage } from './stage.ts';

const WAIT_MS = 60_000;
const POLL_MS = 50;

export interface Told {
  readonly task: string;
  readonly run: RunStatus;
  /** The rows that the recipient opened. */
  readonly result: readonly Record<string, unknown>[];
  readonly ledger: VerifyAnswer;
  readonly bill: BillAnswer;
  readonly usage: unknown;
}

interface World {
  readonly folder: string;
  readonly stage: Stage;
  readonly report: Report;
  readonly homes: Readonly<Record<MemberId, string>>;
}

/** Tells the story in `folder`; the processes stay on the stage for the caller to stop. */
export async function tellStory(options: {
  folder: string;
  seed: number;
  stage: Stage;
  report: Report;
}): Promise<Told> {
  const { folder, stage, report, seed } = options;
  const homes = Object.fromEntries(
    CAST.map((role) => [role.id, join(folder, role.id)]),
  ) as World['homes'];
  const world: World = { folder, stage, report, homes };
  const charter = await found(world);
  const gateways = await startMembers(world, charter);
  const admins = await adminsOf(world);
  const keepers = await startKeepers(world, { charter, gateways, admins });
  await addDatasets(world, admins, seed);
  const task = await proposeAndApprove(world, admins);
  const run = await runTask(world, { charter, gateways, keepers, admins, task });
  return close(world, admins, { task, run });
}

async function found(world: World): Promise<CharterFile> {
  const { homes, report, folder } = world;
  await report.step(
    'keys',
    'three organisations make their keys and enrol SIMULATED hardware',
    async () => {
      for (const role of CAST) {
        await createOrg(homes[role.id], { id: role.id, name: role.name });
        await createOperator(homes[role.id], {
          id: `${role.id}-ops`,
          name: `${role.name} operations`,
        });
        await createHardware(homes[role.id], role.keeper);
      }
      await createHardware(homes.bank, WORKER_MAKE);
    },
  );
  const path = join(folder, 'charter.json');
  return report.step(
    'charter',
    'they agree on a charter',
    async () => {
      const cards = [
        ...CAST.map((role) => cardPath(homes[role.id], role.keeper)),
        cardPath(homes.bank, WORKER_MAKE),
      ];
      const file = await draftCharter({
        name: 'Demo consortium',
        members: await Promise.all(CAST.map((role) => readOrg(homes[role.id]))),
        operators: await Promise.all(CAST.map((role) => readOperator(homes[role.id]))),
        hardware: await Promise.all(cards.map(readCard)),
        keepers: { seats: 3, threshold: 2, vendors: 2 },
      });
      await writeFile(path, formatCharterFile(file));
      return readCharterFile(path);
    },
    (file) => `${file.body.witnesses.quorum} of 3 witnesses, 2 of 3 keepers of different makes`,
  );
}

async function startMembers(world: World, charter: CharterFile): Promise<string[]> {
  const { homes, stage, report, folder } = world;
  return report.step(
    'gateways',
    'the ledger and a gateway for each start; all founders sign',
    async () => {
      const ports = await freePorts(CAST.length);
      const urls = ports.map((port) => `http://127.0.0.1:${port}`);
      const charterPath = join(folder, 'charter.json');
      const place = ['--folder', join(folder, 'ledger'), '--port', '0'];
      const ledger = await stage.start('ledger', [
        'ledger',
        'serve',
        '--charter',
        charterPath,
        ...place,
      ]);
      await Promise.all(
        CAST.map(async (role, i) => {
          const others = CAST.map((other, j) => [other.id, urls[j] as string] as const);
          const peers = Object.fromEntries(others.filter(([id]) => id !== role.id));
          const address = { host: '127.0.0.1', port: ports[i] as number };
          await prepareGateway(homes[role.id], charter, {
            ...address,
            ledger,
            peers,
            tickSeconds: 5,
          });
          await stage.start(`gateway-${role.id}`, ['gateway', 'serve', '--home', homes[role.id]]);
        }),
      );
      const admins = await adminsOf(world);
      for (const admin of Object.values(admins)) {
        await until(
          'the charter to be in force',
          async () => (await admin.status()).ledger.clock > 0,
        );
      }
      return urls;
    },
  );
}

async function startKeepers(
  world: World,
  of: { charter: CharterFile; gateways: readonly string[]; admins: Admins },
): Promise<string[]> {
  const { homes, stage, report } = world;
  const { charter, gateways, admins } = of;
  await report.step('collateral', 'they publish the collateral of their hardware', async () => {
    for (const role of CAST) await publishCollateral(admins[role.id], homes[role.id], role.keeper);
    await publishCollateral(admins.bank, homes.bank, WORKER_MAKE);
  });
  const addresses = await report.step(
    'keepers',
    'three keepers attest and join',
    () =>
      Promise.all(
        CAST.map(async (role) => {
          const log = stage.log(`keeper-${role.id}`);
          const place = { host: '127.0.0.1', port: 0, log };
          const home = homes[role.id];
          const node = await startKeeper({ home, make: role.keeper, charter, gateways, ...place });
          return String(stage.adopt(node).ready['address']);
        }),
      ),
    () => CAST.map((role) => `${role.id} on ${role.keeper}`).join(', '),
  );
  await report.step(
    'epoch',
    'the keepers make a group key that never exists whole',
    async () => {
      const { id } = await admins.insurer.formEpoch();
      for (const admin of Object.values(admins)) {
        await until('the group key', async () => {
          const { epoch, endedEpoch } = await admin.status();
          if (endedEpoch?.id === id) throw epochEnded(endedEpoch);
          return epoch?.id === id;
        });
      }
      return admins.insurer.status();
    },
    (status) => `${status.epoch?.groupKey.slice(0, 16)}...`,
  );
  return addresses;
}

async function publishCollateral(
  admin: AdminClient,
  home: string,
  make: Parameters<typeof simulatedCollateral>[1],
): Promise<void> {
  const bytes = await simulatedCollateral(home, make, Date.now());
  if (bytes !== undefined) await admin.addCollateral(bytes);
}

async function addDatasets(world: World, admins: Admins, seed: number): Promise<void> {
  const { report, folder } = world;
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
        await admin.addDataset({ upload, name: role.dataset, policy: role.policy, price });
      }
      for (const admin of Object.values(admins)) {
        await until('all datasets', async () => (await admin.status()).datasets === CAST.length);
      }
      return admins.insurer.datasets();
    },
    (all) => all.map((d) => `${d.owner}/${d.name} ${d.rows} rows`).join(', '),
  );
}

async function proposeAndApprove(world: World, admins: Admins): Promise<string> {
  const { report, folder } = world;
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
      throw cliError(
        'run-failed',
        'policy',
        `the policies do not allow the demo's question: ${found}`,
      );
    },
    (id) => id.slice(0, 16),
  );
  await report.step('approvals', 'each owner approves two runs', async () => {
    for (const role of CAST) {
      await until('the task', async () => (await admins[role.id].status()).tasks > 0);
      await admins[role.id].approve(task, { runs: 2, person: `officer of ${role.name}` });
    }
    await until(
      'the approvals',
      async () => (await admins.insurer.task(task)).state === 'approved',
    );
  });
  return task;
}

async function runTask(
  world: World,
  of: {
    charter: CharterFile;
    gateways: readonly string[];
    keepers: readonly string[];
    admins: Admins;
    task: string;
  },
): Promise<RunStatus> {
  const { homes, stage, report } = world;
  const { charter, gateways, keepers, admins, task } = of;
  const address = await report.step('worker', 'the bank starts a worker', async () => {
    const log = stage.log('worker');
    const place = { host: '127.0.0.1', port: 0, log };
    const node = await startWorker({
      home: homes.bank,
      make: WORKER_MAKE,
      charter,
      gateways,
      keepers,
      ...place,
    });
    return String(stage.adopt(node).ready['address']);
  });
  return report.step(
    'run',
    'it attests, joins, gets the keys, computes, and releases after the receipt',
    async () => {
      let status = await admins.insurer.startRun(task, address);
      const end = Date.now() + WAIT_MS;
      while (status.state !== 'released' && status.state !== 'failed' && Date.now() < end) {
        status = await admins.insurer.runStatus(status.run, { known: status.state, waitMs: 5_000 });
      }
      if (status.state === 'released') return status;
      const message = `the run ended as ${status.state} (${status.code ?? 'no code'}): ${status.sentence ?? ''}`;
      throw cliError('run-failed', 'policy', message);
    },
    (status) =>
      Object.entries(status.phases)
        .map(([phase, ms]) => `${phase} ${Math.round(ms)} ms`)
        .join(', '),
  );
}

async function close(
  world: World,
  admins: Admins,
  of: { task: string; run: RunStatus },
): Promise<Told> {
  const { report } = world;
  const { task, run } = of;
  const result = await report.step('result', 'the insurer opens exactly its fields', async () => {
    await until('the release', async () => (await admins.insurer.task(task)).state === 'released');
    const bytes = await admins.insurer.openResult(run.run, 'json');
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
  return { task, run, result, ledger, bill, usage };
}

type Admins = Readonly<Record<MemberId, AdminClient>>;

async function adminsOf(world: World): Promise<Admins> {
  const pairs = await Promise.all(
    CAST.map(async (role) => [role.id, await adminOf(world.homes[role.id])]),
  );
  return Object.fromEntries(pairs) as Admins;
}

/** Waits for something that others bring about; what is unavailable meanwhile is asked again. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_MS;
  let last: unknown;
  while (Date.now() < end) {
    try {
      if (await holds()) return;
    } catch (error) {
      if (isCoded(error) && error.kind !== 'unavailable' && error.kind !== 'not-found') throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw cliError('demo-timed-out', 'unavailable', `waited ${WAIT_MS / 1_000} s for ${what}`, last);
}
