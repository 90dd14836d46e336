// SPDX-License-Identifier: Apache-2.0
// What the parquet commands do, as functions of their options: files in, whole files out, on all
// cores, with progress for who waits.
import { type FileHandle, open } from 'node:fs/promises';
import { CodedError, fromHex } from '@cloister/core';
import { expectManyBuffers } from '@cloister/core/node';
import {
  assertFullyEncrypted,
  CryptoPool,
  type DecryptReport,
  decryptProjection,
  type EncryptReport,
  encryptParquet,
  fileSink,
  fileSource,
  type Inspection,
  inspectParquet,
  type KeyProvider,
  masterKeys,
  type Progress,
} from '@cloister/parquet-crypto';
import { z } from 'zod';
import { cliError } from '../errors.ts';
import { readJson } from '../named-files.ts';
import { type KeyFile, readKeyFile } from './key-file.ts';
import { writeWhole } from './whole-file.ts';

/** Only work that takes longer says how far it is. */
const QUIET_MS = 2_000;

export interface ParquetOptions {
  readonly keys: string;
  readonly aadPrefix?: string;
  readonly force?: boolean;
  /** Called now and then with a line for people. */
  readonly onLine?: (line: string) => void;
}

export interface EncryptJob extends ParquetOptions {
  readonly plaintextFooter?: boolean;
  readonly storeAadPrefix: boolean;
}

export interface DecryptJob extends ParquetOptions {
  readonly column?: readonly string[];
  readonly keyMaterial?: string;
  readonly allowClearColumns?: boolean;
  readonly allowClearLevels?: boolean;
}

/** Encrypts `input`, a plain Parquet file, to `out`, which takes its name once it is proved. */
export async function encryptFile(
  input: string,
  out: string,
  options: EncryptJob,
): Promise<EncryptReport> {
  const keys = await readKeyFile(options.keys);
  const plaintext = options.plaintextFooter === true;
  return await withInput(input, (file) =>
    writeWhole(out, { force: options.force === true, mode: 0o644 }, async (target) => {
      const source = await fileSource(file);
      const aadPrefix = aadPrefixOf(options);
      return await withPool(source.size, async (pool) => {
        const report = await encryptParquet({
          source,
          sink: fileSink(target),
          footerKey: keys.footer,
          columnKeys: keys.columns,
          pool,
          footer: plaintext ? 'plaintext' : 'encrypted',
          storeAadPrefix: options.storeAadPrefix,
          onProgress: reporter(options.onLine),
          ...aadPrefix,
        });
        await assertFullyEncrypted(await fileSource(target), masterKeys(keys.byId), {
          allowPlaintextFooter: plaintext,
          pool,
          ...aadPrefix,
        });
        return report;
      });
    }),
  );
}

/** Decrypts columns of `input` to `out`, which only its owner can read. */
export async function decryptFile(
  input: string,
  out: string,
  options: DecryptJob,
): Promise<DecryptReport> {
  const keys = await providerOf(await readKeyFile(options.keys), options.keyMaterial);
  return await withInput(input, async (file) => {
    const source = await fileSource(file);
    const aadPrefix = aadPrefixOf(options);
    const columns =
      options.column ??
      (await inspectParquet(source, { keys, ...aadPrefix })).columns.map((c) => c.path);
    return await writeWhole(out, { force: options.force === true, mode: 0o600 }, (target) =>
      withPool(source.size, (pool) =>
        decryptProjection({
          source,
          sink: fileSink(target),
          keys,
          columns,
          pool,
          allowClearColumns: options.allowClearColumns === true,
          allowClearLevels: options.allowClearLevels === true,
          onProgress: reporter(options.onLine),
          ...aadPrefix,
        }),
      ),
    );
  });
}

/** What a file is, with the keys that there are. */
export async function inspectFile(
  input: string,
  options: { readonly keys?: string; readonly keyMaterial?: string; readonly aadPrefix?: string },
): Promise<Inspection> {
  const keys =
    options.keys === undefined
      ? {}
      : { keys: await providerOf(await readKeyFile(options.keys), options.keyMaterial) };
  return await withInput(input, async (file) =>
    inspectParquet(await fileSource(file), { ...keys, ...aadPrefixOf(options) }),
  );
}

const material = z.record(z.string(), z.string());

async function providerOf(keys: KeyFile, materialPath?: string): Promise<KeyProvider> {
  if (materialPath === undefined) return masterKeys(keys.byId);
  const parsed = material.safeParse(await readJson(materialPath));
  if (!parsed.success) {
    const message = `${materialPath} is no key material: wanted an object of texts`;
    throw cliError('file-malformed', message);
  }
  return masterKeys(keys.byId, { externalMaterial: new Map(Object.entries(parsed.data)) });
}

function aadPrefixOf(options: { readonly aadPrefix?: string }): { aadPrefix?: Uint8Array } {
  if (options.aadPrefix === undefined) return {};
  try {
    return { aadPrefix: fromHex(options.aadPrefix) };
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw cliError('option-malformed', '--aad-prefix is hexadecimal', { cause });
  }
}

export async function withInput<T>(path: string, run: (file: FileHandle) => Promise<T>) {
  const file = await open(path).catch((cause: unknown) => {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw cliError('file-unreadable', `cannot read ${path} (${reason})`, { cause });
  });
  try {
    return await run(file);
  } finally {
    await file.close();
  }
}

/** Below this starting threads takes longer than they save. */
const POOL_BYTES_MIN = 64 * 1024 * 1024;

/** Threads on all cores for large files, ended when the work is done or has failed. */
async function withPool<T>(bytes: number, run: (pool?: CryptoPool) => Promise<T>): Promise<T> {
  if (bytes < POOL_BYTES_MIN) return await run();
  expectManyBuffers();
  const pool = new CryptoPool();
  try {
    return await run(pool);
  } finally {
    await pool.close();
  }
}

function reporter(onLine: ((line: string) => void) | undefined): (progress: Progress) => void {
  let last = Date.now();
  return ({ done, of, bytesRead }) => {
    const now = Date.now();
    if (onLine === undefined || now - last < QUIET_MS) return;
    last = now;
    const megabytes = Math.round(bytesRead / 1_000_000);
    onLine(`column chunk ${done} of ${of}, ${megabytes} MB read`);
  };
}
