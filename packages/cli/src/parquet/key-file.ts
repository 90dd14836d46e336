// SPDX-License-Identifier: Apache-2.0
// Master keys for Parquet files, in a file that only its owner can read: keys never stand on a
// command line, where every process sees them.
//
//   { "footer":  { "id": "0", "key": "<32, 48 or 64 hexadecimal digits>" },
//     "columns": { "customer": { "id": "1", "key": "..." },
//                  "amount":   { "id": "2", "key": "..." } } }
//
// `columns` may be the word "footer-key": one key for all. A name may be a group's.
import { open } from 'node:fs/promises';
import { fromHex, systemRandom, toHex } from '@cloister/core';
import type { MasterKey } from '@cloister/parquet-crypto';
import { z } from 'zod';
import { cliError } from '../errors.ts';

const MAX_BYTES = 16 * 1024 * 1024;

const masterKey = z.strictObject({
  id: z.string().min(1).max(1_000),
  key: z.string().regex(/^([0-9a-fA-F]{32}|[0-9a-fA-F]{48}|[0-9a-fA-F]{64})$/),
});
const keyFile = z.strictObject({
  footer: masterKey,
  columns: z.union([z.literal('footer-key'), z.record(z.string(), masterKey)]),
});

export interface KeyFile {
  readonly footer: MasterKey;
  readonly columns: ReadonlyMap<string, MasterKey> | 'footer-key';
  /** All keys by id. */
  readonly byId: ReadonlyMap<string, Uint8Array>;
}

/** @throws CodedError `file-unreadable`, `key-file-exposed`, `key-file-malformed` */
export async function readKeyFile(path: string): Promise<KeyFile> {
  const parsed = keyFile.safeParse(parse(path, await readPrivate(path)));
  if (!parsed.success) {
    // The paths only: a message must not repeat what may be a key.
    const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'the whole');
    const message = `${path} is no key file: see ${[...new Set(places)].join(', ')}`;
    throw cliError('key-file-malformed', message);
  }
  const { footer, columns } = parsed.data;
  const byId = new Map<string, Uint8Array>();
  const keep = ({ id, key }: z.infer<typeof masterKey>): MasterKey => {
    const bytes = fromHex(key);
    const before = byId.get(id);
    if (before !== undefined && toHex(before) !== toHex(bytes)) {
      const message = `${path} gives two keys the id ${JSON.stringify(id)}`;
      throw cliError('key-file-malformed', message);
    }
    byId.set(id, bytes);
    return { id, masterKey: bytes };
  };
  return {
    footer: keep(footer),
    columns:
      columns === 'footer-key'
        ? columns
        : new Map(Object.entries(columns).map(([name, key]) => [name, keep(key)])),
    byId,
  };
}

/** Reads a file of the caller's own; whether it is private is asked of the file that was opened. */
async function readPrivate(path: string): Promise<string> {
  const file = await open(path).catch((cause: unknown) => {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw cliError('file-unreadable', `cannot read ${path} (${reason})`, { cause });
  });
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      const got = (mode & 0o777).toString(8).padStart(4, '0');
      const message = `${path} holds keys and is open to others (mode ${got}): chmod 600 it`;
      throw cliError('key-file-exposed', message);
    }
    if (size > MAX_BYTES) {
      throw cliError('key-file-malformed', `${path} is larger than 16 MiB`);
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the cause: its message quotes the text.
    throw cliError('key-file-malformed', `${path} is not JSON`);
  }
}

/** A key file with fresh keys of 256 bits: footer "0", columns "1" and up. */
export function freshKeyFile(columns: readonly string[]): string {
  const fresh = (id: number) => ({ id: String(id), key: toHex(systemRandom.bytes(32)) });
  const named = Object.fromEntries(columns.map((name, i) => [name, fresh(i + 1)]));
  return `${JSON.stringify({ footer: fresh(0), columns: named }, null, 2)}\n`;
}
