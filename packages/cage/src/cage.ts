// SPDX-License-Identifier: Apache-2.0
// The cage: the strongest way of starting a program that works on this machine, found once by
// starting one and looking at what holds it. What is started later is looked at by itself, so that
// a level is said of what ran and not of what was hoped for.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { CagedProgram } from './caged-program.ts';
import {
  type CageLevel,
  type CageMeasure,
  insideOf,
  LEVELS,
  levelOf,
  measuresOf,
} from './measures.ts';
import { programFiles } from './program-files.ts';
import { seccompFilter } from './seccomp.ts';
import { type TaskGroup, taskGroup } from './task-group.ts';
import { SHELL } from './tools.ts';
import { commandOf, toolsInside, WAYS, type Way, type WayTools, wayTools } from './ways.ts';

/** How long a way may take to show that it works. */
const PROBE_MS = 10_000;
const PROBE_LIMITS = { dataBytes: 2 ** 28, fileBytes: 0, openFiles: 64, tasks: 16 };

/** What holds one started program. */
export interface Held {
  readonly level: CageLevel;
  readonly measures: readonly CageMeasure[];
}

export interface Caged {
  /** Its monitor where the way has one: whoever kills it kills the program. */
  readonly process: ChildProcess;
  /** The program's own process, as seen from here; once it has answered. */
  inside(): number | undefined;
  /** What holds it, read from the kernel; to be asked once it has answered. */
  held(): Held;
}

export interface Cage extends Held {
  readonly way: Way;
  /** Starts a program: stdin and stderr are pipes, stdout is nothing, pipes from 3 on. */
  start(what: CagedProgram): Caged;
  /** Files that make the cage: its tools and their libraries. They belong to what is measured. */
  files(): Promise<string[]>;
}

/**
 * The strongest of these ways that starts a program here; the shell always does.
 * One that comes to no more than the shell does is not used: it would cost and hold nothing.
 */
export async function openCage(ways: readonly Way[] = WAYS): Promise<Cage> {
  let best: Cage | undefined;
  for (const way of ways) {
    const tools = wayTools(way, seccompFilter(process.arch));
    if (tools === undefined) continue;
    const cage = await probed(tools).catch(() => undefined);
    if (cage === undefined) continue;
    if (best === undefined || LEVELS.indexOf(cage.level) > LEVELS.indexOf(best.level)) best = cage;
    if (best.level === 'full') break;
  }
  return best ?? byShell();
}

async function byShell(): Promise<Cage> {
  const tools = wayTools('shell', undefined) ?? { way: 'shell', tools: {}, filter: undefined };
  return probed(tools).catch(() => cageBy(tools, [], NOTHING));
}

let shared: Promise<Cage> | undefined;

/** The cage of this process: found at the first call. */
export function thisCage(): Promise<Cage> {
  shared ??= openCage();
  return shared;
}

const NOTHING: Held = { level: 'none', measures: [] };

/** Starts a shell that waits, and looks at it. */
async function probed(tools: WayTools): Promise<Cage> {
  const before = (await Promise.all(toolsInside(tools).map((path) => programFiles(path)))).flatMap(
    ({ files }) => files,
  );
  const { files: reads } = await programFiles(SHELL);
  const folder = mkdtempSync(join(tmpdir(), 'cloister-cage-'));
  const caged = cageBy(tools, before, NOTHING).start({
    ...{ program: SHELL, args: ['-c', 'echo here >&2; read end'], folder, folderBytes: 65_536 },
    ...{ reads, writes: [], limits: PROBE_LIMITS, pipes: 0 },
  });
  try {
    await firstWord(caged.process);
    return cageBy(tools, before, caged.held());
  } finally {
    caged.process.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** It runs once it writes; one that says something else, or nothing, does not work. */
function firstWord(process: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error('this way starts nothing'));
    const timer = setTimeout(failed, PROBE_MS);
    process.once('exit', failed);
    process.once('error', failed);
    process.stdin?.on('error', () => undefined);
    process.stderr?.once('data', (said: Buffer) => {
      clearTimeout(timer);
      if (said.toString('latin1') === 'here\n') resolve();
      else failed();
    });
  });
}

function cageBy(tools: WayTools, before: readonly string[], { level, measures }: Held): Cage {
  return {
    ...{ way: tools.way, level, measures },
    start: (what) => startBy(tools, { ...what, reads: [...before, ...what.reads] }),
    files: async () => {
      const made = [SHELL, ...Object.values(tools.tools)];
      const all = await Promise.all(made.map((path) => programFiles(path)));
      return [...new Set(all.flatMap(({ files }) => files))].sort();
    },
  };
}

function startBy(tools: WayTools, what: CagedProgram): Caged {
  // The monitor and the way's own programs are tasks of the group as well.
  const group: TaskGroup | undefined = taskGroup(what.limits.tasks + 2);
  const { command, args, filter } = commandOf(tools, what, group?.list);
  const pipes = Array.from({ length: what.pipes + (filter === undefined ? 0 : 1) }, () => 'pipe');
  const process = spawn(command, [...args], {
    cwd: what.folder,
    env: {},
    stdio: ['pipe', 'ignore', 'pipe', ...(pipes as 'pipe'[])],
  });
  process.once('exit', () => void group?.remove());
  process.once('error', () => void group?.remove());
  if (filter !== undefined) {
    const to = process.stdio[3 + what.pipes] as Writable;
    // Where it ended before it read the filter, it ends for a reason of its own.
    to.on('error', () => undefined);
    to.end(filter);
  }
  const inside = () => {
    const { pid } = process;
    return pid === undefined ? undefined : insideOf(pid, tools.way !== 'shell');
  };
  return {
    process,
    inside,
    held: () => {
      const pid = inside();
      if (pid === undefined) return NOTHING;
      const writable = [what.folder, ...what.writes];
      const measures = measuresOf(pid, {
        writable,
        limits: what.limits,
        grouped: group !== undefined,
      });
      return { level: levelOf(measures), measures };
    },
  };
}
