// SPDX-License-Identifier: Apache-2.0
// What a host sees that reads everything: the files of ledger, gateways, keepers and workers, and
// their logs. Every row that was put in is looked for, as it was written, and the beginning of one
// encrypted file is shown beside a row. What owners keep to themselves is not looked at: their own
// input, and the vault of their keys.
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { toHex } from '@cloister/core';
import { CAST } from './cast.ts';
import type { World } from './world.ts';

export interface Seen {
  readonly files: number;
  readonly bytes: number;
  /** Rows that were put in, of each as much as identifies it, and how many were found. */
  readonly rows: number;
  readonly found: number;
  /** One row of the first owner, and the first bytes of its data as they lie on a disk. */
  readonly row: string;
  readonly ciphertext: string;
}

/** Rows of each owner that are looked for. */
const ROWS = 500;
const SHOWN = 24;
/** What is an owner's own: it put the data in. */
const OWN = /^(input|[a-z]+\/(vault|uploads|results))(\/|$)/;

export async function whatTheHostSees({ folder }: Pick<World, 'folder'>): Promise<Seen> {
  const rows = await rowsPutIn(folder);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !OWN.test(relative(folder, path)));
  const found = new Set<string>();
  let bytes = 0;
  let ciphertext = '';
  for (const path of paths) {
    const content = await readFile(path);
    bytes += content.length;
    const first = relative(folder, path).startsWith(`${CAST[0]?.id}/`);
    if (first && isEncrypted(content)) ciphertext ||= toHex(content.subarray(0, SHOWN));
    for (const row of rows) if (content.includes(row)) found.add(row);
  }
  const row = rows[0] ?? '';
  return { files: paths.length, bytes, rows: rows.length, found: found.size, row, ciphertext };
}

/** A Parquet file whose footer is encrypted, by its magic. */
function isEncrypted(content: Buffer): boolean {
  return content.subarray(-4).toString('latin1') === 'PARE';
}

async function rowsPutIn(folder: string): Promise<string[]> {
  const all = CAST.map(async ({ dataset }) => {
    const path = join(folder, 'input', `synthetic-${dataset}.csv`);
    const lines = (await readFile(path, 'utf8')).trim().split('\n').slice(1);
    // Short rows could stand anywhere by chance.
    return lines.filter((line) => line.length >= 12).slice(0, ROWS);
  });
  return (await Promise.all(all)).flat();
}
