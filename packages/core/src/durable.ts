// SPDX-License-Identifier: Apache-2.0
// Durable files. The promise: once `writeDurably` resolves, a reader after any crash sees either
// the new content whole; before it resolves, the old content whole or the new, never a mixture.
// POSIX gives this for: write a temporary file in the same folder, fsync it, rename it over the
// target, fsync the folder (rename(2), fsync(2)). The known sad path: after a failed fsync the
// kernel may drop dirty pages, so the error is passed up and the temporary file is removed; the
// caller must not treat the write as done.
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the file at `path` with `bytes`, durably. `mode` is the permission of a new file. */
export async function writeDurably(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    await file.close();
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Makes a folder and its parents, each durable in its own parent. */
export async function makeFolderDurably(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** fsync of a folder: makes creations, renames and removals in it durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
