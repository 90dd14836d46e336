// SPDX-License-Identifier: Apache-2.0
// Keys for Parquet files, in a file that only its owner can read: keys never stand on a command
// line, where every process sees them.
//
//   { "footer":  { "id": "0", "key": "<32, 48 or 64 hexadecimal digits>" },
//     "columns": { "customer": { "id": "1", "key": "..." },
//                  "amount":   { "id": "2", "key": "..." } } }
//
// `columns` may be the word "footer-key": one key for all. A name may be a group's. These are
// master keys, which wrap a data key in each file. Where a key service keeps them (kms-command.ts),
// there are ids alone. With `"direct": true` they are the data keys themselves, as readers without
// a key service are given them; an id is then the name of a key in the file, and may be missing.
import { open } from 'node:fs/promises';
import { fromHex, systemRandom, toHex } from '@cloister/core';
import {
  directKeys,
  type FileKey,
  type KeyProvider,
  type Kms,
  kmsKeys,
  masterKeys,
} from '@cloister/parquet-crypto';
import { z } from 'zod';
import { cliError } from '../errors.ts';
import { unreadable } from '../named-files.ts';

const MAX_BYTES = 16 * 1024 * 1024;

const anyKey = z.strictObject({
  id: z.string().min(1).max(1_000).optional(),
  key: z
    .string()
    .regex(/^([0-9a-fA-F]{32}|[0-9a-fA-F]{48}|[0-9a-fA-F]{64})$/)
    .optional(),
});
const keyFile = z.strictObject({
  direct: z.boolean().default(false),
  footer: anyKey,
  columns: z.union([z.literal('footer-key'), z.record(z.string(), anyKey)]),
});
type AnyKey = z.infer<typeof anyKey>;

export interface KeyFile {
  readonly footer: FileKey;
  readonly columns: ReadonlyMap<string, FileKey> | 'footer-key';
  /** Who finds the keys again in a file; key material that is kept outside of it goes in here. */
  reader(externalMaterial?: ReadonlyMap<string, string>): KeyProvider;
}

/**
 * Keys of a file; of a key service's, ids alone.
 * @throws CodedError `file-unreadable`, `key-file-exposed`, `key-file-malformed`
 */
export async function readKeyFile(path: string, kms?: Kms): Promise<KeyFile> {
  const parsed = keyFile.safeParse(parse(path, await readPrivate(path)));
  if (!parsed.success) {
    // The paths only: a message must not repeat what may be a key.
    const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'the whole');
    const message = `${path} is no key file: see ${[...new Set(places)].join(', ')}`;
    throw cliError('key-file-malformed', message);
  }
  const { direct, footer, columns } = parsed.data;
  if (direct && kms !== undefined) {
    const message = `${path} has data keys themselves, which --kms does not wrap: give one of both`;
    throw cliError('key-file-malformed', message);
  }
  const named = new Map<string, Uint8Array>();
  const keep = (place: string, { id, key }: AnyKey): FileKey => {
    const wrong = (what: string) => cliError('key-file-malformed', `${path}: ${place} ${what}`);
    if (kms !== undefined) {
      if (id === undefined || key !== undefined) throw wrong('wants an id alone, with --kms');
      return { id, kms };
    }
    if (key === undefined) throw wrong('has no key');
    if (id === undefined && !direct) throw wrong('has no id');
    const bytes = fromHex(key);
    if (id === undefined) return { dataKey: bytes };
    const before = named.get(id);
    if (before !== undefined && toHex(before) !== toHex(bytes)) {
      throw cliError('key-file-malformed', `${path} gives two keys the id ${JSON.stringify(id)}`);
    }
    named.set(id, bytes);
    return direct ? { dataKey: bytes, name: id } : { id, masterKey: bytes };
  };
  const own = keep('footer', footer);
  const others =
    columns === 'footer-key'
      ? columns
      : new Map(Object.entries(columns).map(([name, key]) => [name, keep(`columns.${name}`, key)]));
  return {
    footer: own,
    columns: others,
    reader: (externalMaterial) => {
      const material = externalMaterial === undefined ? {} : { externalMaterial };
      if (kms !== undefined) return kmsKeys(kms, material);
      if (!direct) return masterKeys(named, material);
      const paths = others === 'footer-key' ? [] : [...others];
      const byPath = new Map(paths.map(([name, key]) => [name, dataKeyOf(key)]));
      return directKeys({ footer: dataKeyOf(own), columns: byPath, named });
    },
  };
}

function dataKeyOf(key: FileKey): Uint8Array {
  if (!('dataKey' in key)) throw new Error('assertion failed: a data key');
  return key.dataKey;
}

/** Reads a file of the caller's own; whether it is private is asked of the file that was opened. */
async function readPrivate(path: string): Promise<string> {
  const file = await open(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
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

/** A key file with fresh keys of 256 bits: footer "0", columns "1" and up; no ids where direct. */
export function freshKeyFile(columns: readonly string[], direct = false): string {
  const fresh = (id: number) => {
    const key = toHex(systemRandom.bytes(32));
    return direct ? { key } : { id: String(id), key };
  };
  const named = Object.fromEntries(columns.map((name, i) => [name, fresh(i + 1)]));
  const file = { ...(direct ? { direct } : {}), footer: fresh(0), columns: named };
  return `${JSON.stringify(file, null, 2)}\n`;
}
