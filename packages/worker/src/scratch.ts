// SPDX-License-Identifier: Apache-2.0
// The folders in which plain columns lie while a run reads them: mode 0700, one a run, named after
// this process, removed when the run ends, when the process ends, and, where a process was killed,
// by the next worker that starts on the same scratch.
//
// Invariant: only folders of our own prefix whose process is gone are removed.
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PREFIX = 'cloister-run-';
const OWN = /^cloister-run-(\d{1,10})-[A-Za-z0-9]{6}$/;

const held = new Set<string>();
let watching = false;

/** A fresh folder for one run. */
export async function makeScratch(scratch: string): Promise<string> {
  if (!watching) process.on('exit', dropAll);
  watching = true;
  const folder = await mkdtemp(join(scratch, `${PREFIX}${process.pid}-`));
  held.add(folder);
  return folder;
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
