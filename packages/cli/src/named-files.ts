// SPDX-License-Identifier: Apache-2.0
// Files that people name on the command line: read whole or written whole, or a coded error that
// says which and why, and whether reading or writing failed.
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { type CodedError, isSystemError } from '@cloister/core';
import { streamDurably } from '@cloister/core/node';
import { cliError } from './errors.ts';

/** What systems say most, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'no permission',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
};

/** The error of a file that could not be read. @throws `cause`, where it has no code */
export function unreadable(path: string, cause: unknown): CodedError {
  const { code } = cause as { code?: unknown };
  if (typeof code !== 'string') throw cause;
  const reason = REASONS[code] ?? code;
  return cliError('file-unreadable', `cannot read ${path}: ${reason}`, { cause });
}

export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** No evidence, of whatever kind, is nearly as large. */
const MAX_EVIDENCE_BYTES = 16 * 1024 * 1024;

/** Evidence from a file, or from standard input where `path` is `-`; endless input is refused. */
export async function readEvidence(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const input = path === '-' ? process.stdin : createReadStream(path);
    for await (const chunk of input) {
      size += (chunk as Buffer).length;
      if (size > MAX_EVIDENCE_BYTES) break;
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw unreadable(path, cause);
  }
  if (size > MAX_EVIDENCE_BYTES) {
    const message = `${path} is larger than 16 MiB, which no evidence is`;
    throw cliError('file-malformed', message);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw cliError('file-malformed', `${path} is not JSON`);
  }
}

/**
 * A file that appears whole; a device or a pipe is written to.
 * @throws CodedError `file-unwritable`
 */
export async function writeNamed(path: string, bytes: Uint8Array, mode?: number): Promise<void> {
  await writeNamedAsItComes(path, mode, (append) => append(bytes));
}

/**
 * The same of what comes piece by piece; answers what `write` did.
 * @throws CodedError `file-unwritable`, and what `write` throws
 */
export async function writeNamedAsItComes<T>(
  path: string,
  mode: number | undefined,
  write: (append: (piece: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<T> {
  const there = await stat(path).catch(() => undefined);
  const isFile = there === undefined || there.isFile();
  try {
    return await (isFile ? streamDurably(path, mode ?? 0o644, write) : streamTo(path, write));
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    const reason = REASONS[cause.code] ?? cause.code;
    throw cliError('file-unwritable', `cannot write ${path}: ${reason}`, { cause });
  }
}

async function streamTo<T>(
  path: string,
  write: (append: (piece: Uint8Array) => Promise<void>) => Promise<T>,
): Promise<T> {
  const file = await open(path, 'w');
  try {
    return await write((piece) => file.writeFile(piece));
  } finally {
    await file.close();
  }
}
