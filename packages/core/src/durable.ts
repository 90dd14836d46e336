// SPDX-License-Identifier: Apache-2.0
// Durable files. The promise: once `writeDurably` resolves, a reader after any crash sees the new
// content whole; before it resolves, the old content whole or the new, never a mixture.
// POSIX gives this for: write a temporary file in the same folder, fsync it, rename it over the
// target, fsync the folder (rename(2), fsync(2)). The known sad path: after a failed fsync the
// kernel may drop dirty pages, so the error is passed up and the temporary file is removed; the
// caller must not treat the write as done, though the new content may already be visible.
// The file system is an argument, so that tests can fail every call in turn.
import { randomBytes } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** The calls of node:fs/promises that durable files need. */
export type FileSystem = Pick<
  typeof nodeFs,
  'mkdir' | 'open' | 'readFile' | 'rename' | 'stat' | 'unlink'
>;

export const nodeFileSystem: FileSystem = nodeFs;

/** Replaces the file at `path` with `bytes`, durably. `mode` is the permission of a new file. */
export async function writeDurably(
  path: string,
  bytes: Uint8Array,
  mode = 0o644,
  fs: FileSystem = nodeFileSystem,
): Promise<void> {
  await streamDurably(path, mode, (append) => append(bytes), fs);
}

/**
 * The same of a file that comes piece by piece: `write` is called with what appends, and nothing
 * is at `path` before it has answered, or when it throws. Answers what `write` did.
 */
export async function streamDurably<T>(
  path: string,
  mode: number,
  write: (append: (piece: Uint8Array) => Promise<void>) => Promise<T>,
  fs: FileSystem = nodeFileSystem,
): Promise<T> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  let written: T;
  try {
    const file = await fs.open(temporary, 'wx', mode);
    try {
      written = await write((piece) => file.writeFile(piece));
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path), fs);
  return written;
}

/** Makes a folder and its missing parents, each durable in its own parent before the next. */
export async function makeFolderDurably(
  path: string,
  fs: FileSystem = nodeFileSystem,
): Promise<void> {
  const absolute = resolve(path);
  const parent = dirname(absolute);
  if (!(await isFolder(absolute, fs))) {
    if (!(await isFolder(parent, fs))) await makeFolderDurably(parent, fs);
    await fs.mkdir(absolute, { recursive: true });
  }
  // Also for a folder that was there: whoever made it may have been stopped before this fsync.
  await syncFolder(parent, fs);
}

/** fsync of a folder: makes creations, renames and removals in it durable. */
export async function syncFolder(path: string, fs: FileSystem = nodeFileSystem): Promise<void> {
  const folder = await fs.open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function isFolder(path: string, fs: FileSystem): Promise<boolean> {
  try {
    return (await fs.stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
