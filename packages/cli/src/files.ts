// SPDX-License-Identifier: Apache-2.0
// Files that people name on the command line: read whole, or a coded error that says which and why.
import { readFile } from 'node:fs/promises';
import { cliError } from './errors.ts';

export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw cliError('file-unreadable', 'not-found', `cannot read ${path} (${reason})`, cause);
  }
}

export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw cliError('file-unreadable', 'malformed', `${path} is not JSON`);
  }
}
