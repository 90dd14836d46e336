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
  kmsKeys,
  type Progress,
} from '@cloister/parquet-crypto';
import { z } from 'zod';
import { cliError } from '../errors.ts';
import { readJson, unreadable } from '../named-files.ts';
import { readKeyFile } from './key-file.ts';
import { type KmsProgram, kmsProgram } from './kms-command.ts';
import { writeWhole } from './whole-file.ts';

/** Only work that takes longer says how far it is. */
const QUIET_MS = 2_000;

/** Where keys are: in a file, with a key service's program, or with both. */
export interface KeyOptions {
  readonly keys?: string;
  readonly kms?: string;
}

export interface ParquetOptions extends KeyOptions {
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
  readonly allowUnboundModules?: boolean;
}

/** Encrypts `input`, a plain Parquet file, to `out`, which takes its name once it is proved. */
export async function encryptFile(
  input: string,
  out: string,
  options: EncryptJob,
): Promise<EncryptReport> {
  const plaintext = options.plaintextFooter === true;
  const { keys: path } = options;
  if (path === undefined) {
    throw cliError('option-malformed', '--keys says which column is under which key: give it');
  }
  return await withKms(options, async (kms) => {
    const keys = await readKeyFile(path, kms);
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
          await assertFullyEncrypted(await fileSource(target), keys.reader(), {
            allowPlaintextFooter: plaintext,
            pool,
            ...aadPrefix,
          });
          return report;
        });
      }),
    );
  });
}

/** Decrypts columns of `input` to `out`, which only its owner can read. */
export async function decryptFile(
  input: string,
  out: string,
  options: DecryptJob,
): Promise<DecryptReport> {
  return await withKeys(options, (keys) =>
    withInput(input, async (file) => {
      const source = await fileSource(file);
      const aadPrefix = aadPrefixOf(options);
      const allowUnboundModules = options.allowUnboundModules === true;
      const all = async () => {
        const seen = await inspectParquet(source, { keys, allowUnboundModules, ...aadPrefix });
        return seen.columns.map((column) => column.path);
      };
      const columns = options.column ?? (await all());
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
            allowUnboundModules,
            onProgress: reporter(options.onLine),
            ...aadPrefix,
          }),
        ),
      );
    }),
  );
}

/** What a file is, with the keys that there are. */
export async function inspectFile(
  input: string,
  options: KeyOptions & { readonly keyMaterial?: string; readonly aadPrefix?: string },
): Promise<Inspection> {
  const look = (keys: { keys?: KeyProvider }) =>
    withInput(input, async (file) =>
      inspectParquet(await fileSource(file), {
        ...keys,
        ...aadPrefixOf(options),
        allowUnboundModules: true,
      }),
    );
  if (options.keys === undefined && options.kms === undefined) return await look({});
  return await withKeys(options, (keys) => look({ keys }));
}

const material = z.record(z.string(), z.string());

/** Keys for reading: those of a key file, or those that files name and a key service unwraps. */
async function withKeys<T>(
  options: KeyOptions & { readonly keyMaterial?: string },
  use: (keys: KeyProvider) => Promise<T>,
): Promise<T> {
  const { keys } = options;
  if (keys === undefined && options.kms === undefined) {
    throw cliError('option-malformed', 'keys are wanted: --keys with a file, or --kms');
  }
  const material = await materialOf(options.keyMaterial);
  return await withKms(options, async (kms) => {
    if (keys !== undefined) return await use((await readKeyFile(keys, kms)).reader(material));
    if (kms === undefined) throw new Error('assertion failed: one of both');
    return await use(kmsKeys(kms, material === undefined ? {} : { externalMaterial: material }));
  });
}

/** Starts the key service where there is one, and ends it. */
async function withKms<T>(
  { kms }: KeyOptions,
  use: (kms: KmsProgram | undefined) => Promise<T>,
): Promise<T> {
  if (kms === undefined) return await use(undefined);
  const program = kmsProgram(kms);
  try {
    return await use(program);
  } finally {
    await program.close();
  }
}

async function materialOf(
  materialPath: string | undefined,
): Promise<ReadonlyMap<string, string> | undefined> {
  if (materialPath === undefined) return undefined;
  const parsed = material.safeParse(await readJson(materialPath));
  if (!parsed.success) {
    const message = `${materialPath} is no key material: wanted an object of texts`;
    throw cliError('file-malformed', message);
  }
  return new Map(Object.entries(parsed.data));
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
    throw unreadable(path, cause);
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
