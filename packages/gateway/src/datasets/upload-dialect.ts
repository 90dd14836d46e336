// SPDX-License-Identifier: Apache-2.0
// What the sender of an upload said of how it is written, kept beside it: so a dataset is made of
// it by the dialect that was shown, in a later life of the gateway, too.
import { readFile } from 'node:fs/promises';
import { type Dialect, parseDialect } from '@cloister/api';
import { isSystemError, utf8 } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';

/** Where it lies. */
export function dialectOf(upload: string): string {
  return `${upload}.dialect`;
}

/** Keeps it, where anything is said. */
export async function putDialect(upload: string, dialect: Dialect): Promise<void> {
  if (Object.keys(dialect).length === 0) return;
  await writeDurably(dialectOf(upload), utf8(JSON.stringify(dialect)), 0o600);
}

/** @throws CodedError `dialect-malformed` where the file was damaged */
export async function readDialect(upload: string): Promise<Dialect> {
  const text = await readFile(dialectOf(upload), 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  });
  return text === undefined ? {} : parseDialect(parseJson(text), 'the dialect of an upload');
}

/** Undefined where the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
