// SPDX-License-Identifier: Apache-2.0
// How the engine's process is started: under limits that the shell sets before Node runs, with an
// empty environment. What is limited of memory is what the process may take beyond what a bare Node
// has set aside when it starts. That differs by version and machine (Node 24 reserves 512 MB more
// than Node 22, all of it empty), so it is measured, once a process: docs/design/engine-memory.md.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { engineError } from './errors.ts';

/** What Node, V8 and DuckDB's own code need beside DuckDB's memory limit, once Node has started. */
const OVERHEAD_BYTES = 336 * 1024 * 1024;
/** A thread's stack counts as data. */
const THREAD_BYTES = 16 * 1024 * 1024;
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

/** Starts `entry` in `folder`: requests on its stdin, answers on its descriptor 3. */
export function spawnLimited(
  entry: string,
  folder: string,
  limits: ChildLimits & { readonly bareBytes: number },
): ChildProcess {
  const growthBytes = limits.memoryBytes + OVERHEAD_BYTES + limits.threads * THREAD_BYTES;
  const dataBytes = limits.bareBytes + growthBytes;
  const set = [
    'ulimit -c 0',
    'ulimit -n 256',
    `ulimit -d ${Math.ceil(dataBytes / 1024)}`,
    `ulimit -f ${Math.ceil(limits.fileBytes / 512)}`,
    ...(limits.cpuSeconds === undefined ? [] : [`ulimit -t ${limits.cpuSeconds}`]),
  ];
  const script = `${set.join(' && ')} && exec "$@"`;
  return spawn('/bin/sh', ['-c', script, 'sh', process.execPath, ...FLAGS, entry], {
    cwd: folder,
    env: {},
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
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
