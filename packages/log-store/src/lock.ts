// SPDX-License-Identifier: Apache-2.0
// One writer a folder. The file `lock` holds the writer's pid, its start time and its boot
// id, so that a lock left by a killed process, by a reused pid or by another
// boot is known to be stale and taken over.
//
// BUG: the check sees processes of this pid namespace only. Two containers that mount one folder
// are not kept apart.
import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { logStoreError } from './errors.ts';

/** Takes the folder and answers how to give it back. @throws CodedError `ledger-locked` */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock');
  const mine = `${process.pid} ${await startOf(process.pid)} ${await bootId()}\n`;
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, mine, { flag: 'wx' });
  try {
    if (!(await tryLink(draft, path))) await takeOver(draft, path);
  } finally {
    await unlink(draft);
  }
  return async () => {
    if ((await readLock(path)) === mine) await unlink(path);
  };
}

/** Replaces a stale lock; a second file keeps two that do so at once apart. */
async function takeOver(draft: string, path: string): Promise<void> {
  const guard = `${path}.takeover`;
  if (!(await tryLink(draft, guard))) {
    throw locked(`someone is taking it over; if nobody is, remove ${guard}`);
  }
  try {
    const held = await readLock(path);
    if (held !== undefined && (await isAlive(held))) {
      throw locked(`process ${held.split(' ')[0]} writes here; stop it first`);
    }
    if (held !== undefined) await unlink(path);
    if (!(await tryLink(draft, path))) throw locked('another process was faster');
  } finally {
    await unlink(guard);
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readLock(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

async function isAlive(held: string): Promise<boolean> {
  const match = /^(\d{1,10}) (\S+) (\S+)\n$/.exec(held);
  if (match === null) return false;
  const [, pid, start, boot] = match as unknown as [string, string, string, string];
  if (boot !== (await bootId())) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return start === (await startOf(Number(pid)));
}

/** Start time of a process in clock ticks since boot (proc(5), field 22); `?` where unknown. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '?';
}

async function bootId(): Promise<string> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '?');
  return id.trim();
}

function locked(why: string): Error {
  return logStoreError('ledger-locked', `the folder of the ledger is taken: ${why}`);
}
