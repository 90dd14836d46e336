// SPDX-License-Identifier: Apache-2.0
// The folders in which plain columns lie while a run reads them: mode 0700, one a run, named after
// this process, removed when the run ends, when the process ends, and, where a process was killed,
// by the next worker that starts on the same scratch.
//
// They lie in memory, which inside a TEE is the TEE's: where the folder is comes from the host, and
// on a disk of its plain columns would be plain to it.
//
// Invariant: only folders of our own prefix whose process is gone are removed.
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { workerError } from './errors.ts';

const PREFIX = 'cloister-run-';
/** Runs' folders, and those of the engine's children, which hold links to files of the former. */
const OWN = /^cloister-(?:run|engine)-(\d{1,10})-[A-Za-z0-9]{6}$/;

/** Types of file systems (statfs, linux/magic.h). */
const TMPFS = 0x0102_1994;
const RAMFS = 0x8584_58f6;

const held = new Set<string>();
let watching = false;

/**
 * A fresh folder for one run; `inMemory`: refused where it would lie on a disk, or be swapped.
 * @throws CodedError `scratch-not-in-memory`
 */
export async function makeScratch(scratch: string, inMemory: boolean): Promise<string> {
  if (inMemory) await assertInMemory(scratch);
  if (!watching) process.on('exit', dropAll);
  watching = true;
  const folder = await mkdtemp(join(scratch, `${PREFIX}${process.pid}-`));
  held.add(folder);
  return folder;
}

async function assertInMemory(scratch: string): Promise<void> {
  const { type } = await statfs(scratch);
  const wanted = 'name a folder of a tmpfs or ramfs (/dev/shm), without swap';
  if (type !== TMPFS && type !== RAMFS) {
    const message = `${scratch} is on a file system of type 0x${type.toString(16)}: ${wanted}`;
    throw workerError('scratch-not-in-memory', message);
  }
  const swaps = await readFile('/proc/swaps', 'utf8').catch(() => '');
  if (type === TMPFS && swaps.trim().split('\n').length > 1) {
    throw workerError('scratch-not-in-memory', `this machine swaps to a disk: ${wanted}`);
  }
}

/** Removes a run's folder and everything in it. */
export async function dropScratch(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  held.delete(folder);
}

/** Removes what killed workers left behind; call it before the first run. Answers the names. */
export async function sweepScratch(scratch: string): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await readdir(scratch)) {
    const pid = Number(OWN.exec(name)?.[1] ?? 0);
    // Our own id can only be that of a process before us: in a container each may be process 1.
    const left = pid > 0 && !held.has(join(scratch, name));
    if (!left || (pid !== process.pid && isAlive(pid))) continue;
    await rm(join(scratch, name), { recursive: true, force: true });
    swept.push(name);
  }
  return swept;
}

/** At the end of the process, whatever ends it but a kill. */
export function dropAll(): void {
  for (const folder of held) rmSync(folder, { recursive: true, force: true });
  held.clear();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
