// SPDX-License-Identifier: Apache-2.0
// A control group that bounds the tasks of one cage, for a parent that is root: the kernel counts
// nobody's processes against root's limit. Version 2 where its root has the controller, version 1
// beside it; without either there is none, and the cage's level says so.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';

const UNIFIED = '/sys/fs/cgroup';
const FIRST_VERSION = '/sys/fs/cgroup/pids';
/** A group is empty a moment after its last task was killed. */
const TRIES = 50;
const TRY_MS = 20;

let count = 0;

export interface TaskGroup {
  /** Whoever writes its id here enters. */
  readonly list: string;
  /** Once all in it have ended. */
  remove(): Promise<void>;
}

/** A fresh group for `tasks` tasks, or none on this machine. */
export function taskGroup(tasks: number): TaskGroup | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const above = hierarchy();
  if (above === undefined) return undefined;
  if (count === 0) sweep(above);
  count += 1;
  const folder = `${above}/cloister-${process.pid}-${count}`;
  try {
    mkdirSync(folder);
    writeFileSync(`${folder}/pids.max`, String(tasks));
  } catch {
    return undefined;
  }
  return { list: `${folder}/cgroup.procs`, remove: () => removed(folder) };
}

function hierarchy(): string | undefined {
  try {
    const given = readFileSync(`${UNIFIED}/cgroup.subtree_control`, 'utf8').trim().split(' ');
    if (given.includes('pids')) return UNIFIED;
  } catch {
    // The first version, or none.
  }
  return existsSync(`${FIRST_VERSION}/cgroup.procs`) ? FIRST_VERSION : undefined;
}

/** Groups of parents that were killed: nothing else removes them. */
function sweep(above: string): void {
  for (const name of readdirSync(above)) {
    const parent = /^cloister-(\d{1,10})-\d+$/.exec(name)?.[1];
    if (parent === undefined || existsSync(`/proc/${parent}`)) continue;
    try {
      rmdirSync(`${above}/${name}`);
    } catch {
      // Its tasks have not ended yet, or somebody else removed it.
    }
  }
}

async function removed(folder: string): Promise<void> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    try {
      rmdirSync(folder);
      return;
    } catch {
      await after(TRY_MS, undefined, { ref: false });
    }
  }
}
