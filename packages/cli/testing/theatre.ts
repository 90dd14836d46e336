// SPDX-License-Identifier: Apache-2.0
// What the end-to-end tests share: the demo's world with its data and a worker, and the daily moves
// of its members. Every process is on the stage and is stopped by its pid.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AdminClient, CheckAnswer, RunStatus, TaskRequest } from '@cloister/api';
import { isCoded } from '@cloister/core';
import { CAST, INPUTS, type MemberId, PURPOSE } from '../src/demo/cast.ts';
import { syntheticData } from '../src/demo/data.ts';
import type { Report } from '../src/demo/report.ts';
import { Stage } from '../src/demo/stage.ts';
import { raiseWorker, raiseWorld, until, type World } from '../src/demo/world.ts';
import { patiently } from '../src/patience.ts';

const COMMAND = fileURLToPath(new URL('../bin/cloister.js', import.meta.url));
const RUN_MS = 60_000;
const FREE = { currency: 'EUR', run: 0, row: 0, gigabyte: 0, second: 0 };

/** Begins every value of the hidden column that the hospital's file has here. */
export const MARKER = 'zebra-note-';

const silent: Report = {
  timings: {},
  step: (_name, _title, work) => work(),
  say: () => undefined,
  close: () => undefined,
};

/** A raised world with the demo's datasets and a worker. */
export class Theatre {
  readonly world: World;
  readonly worker: string;
  readonly scratch: string;

  constructor(world: World, worker: string, scratch: string) {
    this.world = world;
    this.worker = worker;
    this.scratch = scratch;
  }

  get folder(): string {
    return this.world.folder;
  }

  admin(member: MemberId): AdminClient {
    return this.world.admins[member];
  }

  async addDataset(member: MemberId, of: { name: string; text: string; policy: unknown }) {
    const { upload } = await this.admin(member).upload(`${of.name}.csv`, new Blob([of.text]));
    const { name, policy } = of;
    const before = await this.admin(member).status();
    const added = await this.admin(member).addDataset({
      uploads: [upload],
      name,
      policy,
      price: FREE,
    });
    for (const admin of Object.values(this.world.admins)) {
      await until('the dataset', async () => (await admin.status()).datasets > before.datasets);
    }
    return added;
  }

  /** The insurer proposes; everybody knows the task when this returns. */
  async propose(
    code: string,
    more: Partial<TaskRequest> = {},
  ): Promise<{ task: string; check: CheckAnswer }> {
    const asked = { code, purpose: PURPOSE, inputs: { ...INPUTS }, ...more };
    const { task, check } = await this.admin('insurer').proposeTask(asked);
    for (const admin of Object.values(this.world.admins)) {
      await until('the task', async () => (await admin.task(task)).task === task);
    }
    return { task, check };
  }

  async approve(task: string, grant: { runs: number; until?: number }): Promise<void> {
    const { inputs } = await this.admin('insurer').task(task);
    for (const owner of new Set(inputs.map((input) => input.owner))) {
      await this.admin(owner as MemberId).approve(task, {
        ...grant,
        person: `officer of ${owner}`,
      });
    }
    await until('the approvals', async () => {
      const known = await this.admin('insurer').task(task);
      return known.inputs.every((input) => input.approved);
    });
  }

  /** Runs a task to its end, released or failed. */
  async run(task: string, worker = this.worker): Promise<RunStatus> {
    const admin = this.admin('insurer');
    // A worker tidies up for a moment after it has released a result.
    const busy = (error: unknown) => isCoded(error, 'worker-busy');
    let status = (await patiently(10, () => admin.startRun(task, worker), busy)) as RunStatus;
    const end = Date.now() + RUN_MS;
    while (status.state !== 'released' && status.state !== 'failed' && Date.now() < end) {
      status = await admin.runStatus(status.run, { known: status.state, waitMs: 5_000 });
    }
    if (status.state === 'released') {
      await until('the release', async () => {
        const runs = (await admin.task(task)).runs;
        return runs.some((run) => run.run === status.run && run.state === 'released');
      });
    }
    return status;
  }

  async rows(run: string): Promise<Record<string, unknown>[]> {
    const bytes = await this.admin('insurer').smallResult(run, 'jsonl');
    const lines = new TextDecoder().decode(bytes).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Waits until the newest ledger entry that `wanted` likes is there, and answers it. */
  async entry(wanted: (event: LedgerEntry) => boolean): Promise<LedgerEntry> {
    let found: LedgerEntry | undefined;
    await until('the entry', async () => {
      const { ledger } = await this.admin('insurer').status();
      const page = await this.admin('insurer').events(Math.max(0, ledger.size - 500), 1_000);
      found = page.events.findLast(wanted);
      return found !== undefined;
    });
    return found as LedgerEntry;
  }

  async close(): Promise<void> {
    await this.world.stage.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export type LedgerEntry = Awaited<ReturnType<AdminClient['events']>>['events'][number];

/** Raises everything in a fresh folder; whatever fails on the way, nothing is left running. */
export async function openTheatre(): Promise<Theatre> {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-e2e-'));
  const stage = new Stage(folder);
  try {
    const world = await raiseWorld({ folder, stage, report: silent });
    const scratch = join(folder, 'scratch');
    mkdirSync(scratch);
    const worker = await raiseWorker(world, { scratch });
    const theatre = new Theatre(world, worker, scratch);
    const data = theatreData();
    mkdirSync(join(folder, 'input'));
    for (const role of CAST) {
      writeFileSync(join(folder, 'input', `${role.dataset}.csv`), data[role.id]);
      const of = { name: role.dataset, text: data[role.id], policy: role.policy };
      await theatre.addDataset(role.id, of);
    }
    return theatre;
  } catch (error) {
    await stage.stop();
    throw error;
  }
}

/** The demo's data; the hospital's has a column of notes that nobody grants. */
function theatreData(): Record<MemberId, string> {
  const data = syntheticData(3);
  const [head, ...rows] = data.hospital.trimEnd().split('\n');
  const noted = rows.map((row, i) => `${row},${MARKER}${i}`);
  return { ...data, hospital: `${[`${head},note`, ...noted].join('\n')}\n` };
}

/**
 * Runs the command in a process of its own; `onStderr` hears all that it has said so far, and may
 * kill it.
 */
export function cloister(
  args: readonly string[],
  options: { limitMs?: number; onStderr?: (text: string, kill: () => void) => void } = {},
): Promise<{ exit: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 30_000);
    const heard = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece: Buffer) => {
      heard.stdout += piece.toString();
    });
    child.stderr.on('data', (piece: Buffer) => {
      heard.stderr += piece.toString();
      options.onStderr?.(heard.stderr, () => child.kill('SIGKILL'));
    });
    child.once('error', reject);
    child.once('close', (exit) => {
      clearTimeout(timer);
      resolve({ exit, ...heard });
    });
  });
}
