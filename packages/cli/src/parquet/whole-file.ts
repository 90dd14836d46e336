// SPDX-License-Identifier: Apache-2.0
// An output file that appears whole or not at all: written beside its place under another name,
// synced, and then given its name in one step. Without `force` that step fails if someone else has
// taken the name meanwhile (link(2)); with it the old file is replaced (rename(2)).
//
// Known sad path: a process that is killed outright leaves `<name>.<random>.tmp` behind.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cliError } from '../errors.ts';

export interface WholeFileOptions {
  readonly force: boolean;
  /** Permission of the new file. */
  readonly mode: number;
}

/**
 * Gives `write` an open file, which it may read back, and puts it in place when it resolves.
 * @throws CodedError `file-exists`, `file-unwritable`, and what `write` throws
 */
export async function writeWhole<T>(
  path: string,
  options: WholeFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const { force, mode } = options;
  if (!force && (await exists(path))) throw taken(path);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx+', mode).catch((cause: unknown) => {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unwritable';
    throw cliError('file-unwritable', `cannot write ${path} (${reason})`, { cause });
  });
  const stopped = removeOnSignal(temporary);
  try {
    const answer = await write(file);
    await file.sync();
    await file.close();
    await place(temporary, path, force);
    return answer;
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  } finally {
    await rm(temporary, { force: true });
    stopped();
  }
}

async function place(temporary: string, path: string, force: boolean): Promise<void> {
  if (force) await rename(temporary, path);
  else {
    await link(temporary, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw taken(path);
      // File systems without hard links: the check comes first, and a race may lose.
      if (await exists(path)) throw taken(path);
      await rename(temporary, path);
    });
  }
  const folder = await open(dirname(path));
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function taken(path: string): Error {
  return cliError('file-exists', `${path} exists; --force replaces it`);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Removes what is half written when the process is told to end; answers how to stop watching. */
function removeOnSignal(temporary: string): () => void {
  const signals = { SIGINT: 130, SIGTERM: 143 } as const;
  const handlers = Object.entries(signals).map(([signal, status]) => {
    const handler = (): never => {
      rmSync(temporary, { force: true });
      process.exit(status);
    };
    process.once(signal, handler);
    return () => process.removeListener(signal, handler);
  });
  return () => {
    for (const remove of handlers) remove();
  };
}
