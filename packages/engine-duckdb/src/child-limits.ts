// SPDX-License-Identifier: Apache-2.0
// The limits of the engine's process, and the cage that it is started in. What is limited of memory
// is what the process may take beyond what a bare Node has set aside when it starts. That differs
// by version and machine (Node 24 reserves 512 MB more than Node 22, all of it empty), so it is
// measured, once a process: docs/design/engine-memory.md.
import { execFile } from 'node:child_process';
import { readdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Cage, type Caged, packageFolders, programFiles, thisCage } from '@cloister/cage';
import type { ChildRoom } from './child-room.ts';
import { engineError } from './errors.ts';

/** What Node, V8 and DuckDB's own code need beside DuckDB's memory limit, once Node has started. */
const OVERHEAD_BYTES = 336 * 1024 * 1024;
/** A thread's stack counts as data. */
const THREAD_BYTES = 16 * 1024 * 1024;
/** In the room, beside a result: the file system's own. */
const ROOM_BYTES = 2 ** 20;
const OPEN_FILES = 256;
/** Node's own threads, V8's and libuv's, on machines of many cores. */
const NODE_TASKS = 64;
const CHILD = fileURLToPath(new URL('../child', import.meta.url));
const DUCKDB = '@duckdb/node-api';
/** What a script imports from outside. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'main.mjs': [DUCKDB],
  'export.mjs': [DUCKDB, 'apache-arrow'],
};
const MEASURE_MS = 20_000;
const FLAGS = [
  '--max-old-space-size=128',
  '--disallow-code-generation-from-strings',
  // A file of the machine's would otherwise be read for providers of cryptography to load.
  '--openssl-config=/dev/null',
];
const STATUS = "process.stdout.write(fs.readFileSync('/proc/self/status'))";

/** Limits that the operating system enforces. */
export interface ChildLimits {
  readonly memoryBytes: number;
  readonly threads: number;
  /** Largest file that the child may write; 0 for a child that only plans. */
  readonly fileBytes: number;
  /** Processor seconds; absent for a child that lives on. */
  readonly cpuSeconds?: number;
}

/** What a child sees and may write beside its room: files that are there. */
export interface ChildFiles {
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  /** The strongest of this machine where absent. */
  readonly cage?: Cage;
}

/** Starts a script of `child/`: requests on its stdin, answers on descriptor 3, results on 4. */
export async function startCaged(
  script: string,
  room: ChildRoom,
  limits: ChildLimits,
  files: ChildFiles,
): Promise<Caged> {
  const { memoryBytes, threads, fileBytes, cpuSeconds } = limits;
  const [cage, bareBytes, needed] = await Promise.all([
    files.cage ?? thisCage(),
    bareNodeBytes(),
    filesOf(script),
  ]);
  return cage.start({
    program: realpathSync(process.execPath),
    args: [...FLAGS, resolve(CHILD, script)],
    folder: room.folder,
    folderBytes: fileBytes + ROOM_BYTES,
    reads: [...needed, room.inputs, ...(files.reads ?? [])],
    writes: files.writes ?? [],
    limits: {
      dataBytes: bareBytes + memoryBytes + OVERHEAD_BYTES + threads * THREAD_BYTES,
      ...{ fileBytes, openFiles: OPEN_FILES, tasks: NODE_TASKS + threads },
      ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    },
    pipes: 2,
  });
}

/**
 * Files that a run's child stands on: Node with its libraries, the engine, the packages' folders,
 * and what makes the cage. They belong to what is measured.
 */
export async function engineFiles(): Promise<string[]> {
  const cage = await (await thisCage()).files();
  return [...new Set([...cage, ...(await filesOf('main.mjs'))])].sort();
}

const needed = new Map<string, Promise<readonly string[]>>();

/** The script, its packages, and Node with its libraries and those of the add-on. */
function filesOf(script: string): Promise<readonly string[]> {
  const known = needed.get(script);
  if (known !== undefined) return known;
  const finding = findFiles(PACKAGES[script] ?? [DUCKDB]);
  needed.set(script, finding);
  finding.catch(() => needed.delete(script));
  return finding;
}

async function findFiles(names: readonly string[]): Promise<readonly string[]> {
  const folders = packageFolders(CHILD, names);
  const addons = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.node'))
      .map((name) => join(folder, name)),
  );
  const { files } = await programFiles(process.execPath, addons);
  return [CHILD, ...folders, ...files];
}

let bare: Promise<number> | undefined;

/**
 * What the kernel counts against `ulimit -d` (VmData) when this Node runs and does nothing.
 * @throws CodedError `engine-start-failed`
 */
export function bareNodeBytes(): Promise<number> {
  bare ??= measureBareNode().catch((cause: unknown) => {
    bare = undefined;
    const why = cause instanceof Error ? cause.message.slice(0, 500) : 'unknown';
    const message = `what Node takes of memory cannot be measured on /proc/self/status: ${why}`;
    throw engineError('engine-start-failed', message);
  });
  return bare;
}

async function measureBareNode(): Promise<number> {
  const options = { env: {}, timeout: MEASURE_MS };
  const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, '-e', STATUS], options);
  const kibibytes = /^VmData:\s+(\d+) kB$/m.exec(stdout)?.[1];
  if (kibibytes === undefined) throw new Error('it has no VmData');
  return Number(kibibytes) * 1024;
}
