// SPDX-License-Identifier: Apache-2.0
// One file of a dataset: encrypted beside the uploads, proved to be encrypted throughout, opened
// again and compared with what came, hashed in chunks and put into the blobs.
//
// Invariant: the plain files and what is half done are gone when it ends, however it does.
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
  numberedKeys,
  type Progress,
} from '@cloister/parquet-crypto';
import type { Gateway } from '../context.ts';
import { homeFolder } from '../home.ts';
import { FOOTER, type VaultEntry } from '../vault.ts';
import type { ConvertedFile } from './convert-all.ts';
import { readBack } from './read-back.ts';

/** What is being done with the file, and how much of it is done. */
export interface EncryptStep {
  readonly state: 'encrypting' | 'checking' | 'comparing' | 'storing';
  readonly progress: DatasetJob['progress'];
}

/**
 * Encrypts the plain Parquet file, proves the outcome, compares it with the upload and puts it into
 * the blobs; answers what the dataset's list of files says of it. `report` hears how far it is.
 * @throws CodedError those of `readBack`
 */
export async function encryptFile(
  gateway: Gateway,
  of: { source: ConvertedFile; schema: DatasetSchema; entry: VaultEntry; file: number },
  report: (step: EncryptStep) => void,
): Promise<DatasetFile> {
  const { source, schema, entry, file } = of;
  const { parquet: plain, upload } = source;
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
    await rm(plain, { force: true });
    report({ state: 'comparing', progress: null });
    await readBack(encrypted, { entry, aadPrefix, source }, (rows) =>
      report({ state: 'comparing', progress: { done: rows, of: source.rows, unit: 'rows' } }),
    );
    const onBytes = (done: number, of: number) =>
      report({ state: 'storing', progress: { done, of, unit: 'bytes' } });
    const { leaves, root, length } = await digestTree(chunksOf(encrypted, onBytes), nodeCrypto);
    const blob = await gateway.blobs.adopt(encrypted);
    return { blob, length, root, leaves: await gateway.blobs.put(leaves) };
  } finally {
    await rm(plain, { force: true });
    await rm(upload, { force: true });
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
    await assertFullyEncrypted(await fileSource(file), numberedKeys(entry.keys), { aadPrefix });
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
