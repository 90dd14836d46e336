// SPDX-License-Identifier: Apache-2.0
// One file of a dataset: encrypted beside the uploads, proved to be encrypted throughout, hashed in
// chunks and put into the blobs.
//
// Invariant: the plain file and what is half done are gone when it ends, however it does.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetJob } from '@cloister/api';
import {
  CHUNK_BYTES,
  type DatasetFile,
  type DatasetSchema,
  datasetAadPrefix,
  digestTree,
} from '@cloister/contract';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  assertFullyEncrypted,
  encryptParquet,
  fileSink,
  fileSource,
  masterKeys,
  type Progress,
} from '@cloister/parquet-crypto';
import type { Gateway } from '../context.ts';
import { homeFolder } from '../home.ts';
import { FOOTER, type VaultEntry } from '../vault.ts';

/** What is being done with the file, and how much of it is done. */
export interface EncryptStep {
  readonly state: 'encrypting' | 'checking' | 'storing';
  readonly progress: DatasetJob['progress'];
}

/**
 * Encrypts the plain Parquet file, proves the outcome and puts it into the blobs; answers what the
 * dataset's list of files says of it. `report` hears how far it is.
 */
export async function encryptFile(
  gateway: Gateway,
  of: { plain: string; schema: DatasetSchema; entry: VaultEntry; file: number },
  report: (step: EncryptStep) => void,
): Promise<DatasetFile> {
  const { plain, schema, entry, file } = of;
  const folder = await homeFolder(gateway.home, 'uploads');
  const encrypted = join(folder, `${toHex(entry.dataset)}.encrypted`);
  try {
    const aadPrefix = datasetAadPrefix({ genesis: gateway.genesis, ...entry, file });
    const onChunks = ({ done, of }: Progress) =>
      report({ state: 'encrypting', progress: { done, of, unit: 'column chunks' } });
    report({ state: 'encrypting', progress: null });
    await encryptTo(encrypted, { plain, schema, entry, aadPrefix, onChunks });
    report({ state: 'checking', progress: null });
    await proveEncrypted(encrypted, entry, aadPrefix);
    const onBytes = (done: number, of: number) =>
      report({ state: 'storing', progress: { done, of, unit: 'bytes' } });
    const { leaves, root, length } = await digestTree(chunksOf(encrypted, onBytes), nodeCrypto);
    const blob = await gateway.blobs.adopt(encrypted);
    return { blob, length, root, leaves: await gateway.blobs.put(leaves) };
  } finally {
    await rm(plain, { force: true });
    await rm(encrypted, { force: true });
  }
}

async function encryptTo(
  encrypted: string,
  of: {
    plain: string;
    schema: DatasetSchema;
    entry: VaultEntry;
    aadPrefix: Uint8Array;
    onChunks: (progress: Progress) => void;
  },
): Promise<void> {
  const { plain, schema, entry, aadPrefix, onChunks } = of;
  const keyOf = (id: number) => ({ id: String(id), masterKey: entry.keys.get(id) as Uint8Array });
  const source = await open(plain, 'r');
  const sink = await open(encrypted, 'wx', 0o600).catch(async (error: unknown) => {
    await source.close();
    throw error;
  });
  try {
    await encryptParquet({
      source: await fileSource(source),
      sink: fileSink(sink),
      footerKey: keyOf(FOOTER),
      columnKeys: new Map(schema.columns.map((c) => [c.name, keyOf(c.id)])),
      aadPrefix,
      onProgress: onChunks,
    });
  } finally {
    await Promise.all([source.close(), sink.close()]);
  }
}

async function proveEncrypted(
  path: string,
  entry: VaultEntry,
  aadPrefix: Uint8Array,
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const keys = new Map([...entry.keys].map(([id, key]) => [String(id), key]));
    await assertFullyEncrypted(await fileSource(file), masterKeys(keys), { aadPrefix });
  } finally {
    await file.close();
  }
}

async function* chunksOf(
  path: string,
  onRead: (bytes: number, of: number) => void,
): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size, read } = await fileSource(file);
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, size - at);
      const chunk = await read(at, length);
      if (chunk.length < length) throw new Error('an encrypted file shrank while it was read');
      yield chunk;
      onRead(at + length, size);
    }
  } finally {
    await file.close();
  }
}
