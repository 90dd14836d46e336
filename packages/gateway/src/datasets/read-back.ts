// SPDX-License-Identifier: Apache-2.0
// What was sealed is opened again, as a recipient's worker would, and compared with the file as its
// owner sent it. Nothing is published before.
//
// Invariant: what was opened again is gone when it ends, however it does.
import { open, rm } from 'node:fs/promises';
import { decryptProjection, fileSink, fileSource, numberedKeys } from '@cloister/parquet-crypto';
import { type Converted, compareParquet, compareText } from '../ingest/index.ts';
import type { VaultEntry } from '../vault.ts';

/** A file as its owner sent it, and how it was read. */
export interface Source extends Converted {
  readonly upload: string;
}

/**
 * @throws CodedError `value-changed`, `input-changed`, `conversion-failed` and those of decryption
 */
export async function readBack(
  encrypted: string,
  of: { entry: VaultEntry; aadPrefix: Uint8Array; source: Source },
  onRows: (rows: number) => void,
): Promise<void> {
  const { entry, aadPrefix, source } = of;
  const { upload, reading, columns, traces } = source;
  const opened = `${encrypted}.opened`;
  try {
    await openAgain(encrypted, opened, { entry, aadPrefix, columns });
    const request = { source: upload, parquet: opened, columns, onRows };
    if (reading === undefined) await compareParquet(request);
    else await compareText({ ...request, reading, traces });
  } finally {
    await rm(opened, { force: true });
  }
}

async function openAgain(
  encrypted: string,
  opened: string,
  of: { entry: VaultEntry; aadPrefix: Uint8Array; columns: Source['columns'] },
): Promise<void> {
  const { entry, aadPrefix, columns } = of;
  const source = await open(encrypted, 'r');
  try {
    const sink = await open(opened, 'wx', 0o600);
    try {
      await decryptProjection({
        source: await fileSource(source),
        sink: fileSink(sink),
        columns: columns.map(({ name }) => name),
        keys: numberedKeys(entry.keys),
        aadPrefix,
      });
    } finally {
      await sink.close();
    }
  } finally {
    await source.close();
  }
}
