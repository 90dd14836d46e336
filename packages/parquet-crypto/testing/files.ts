// SPDX-License-Identifier: Apache-2.0
// Small Parquet files for tests, and the keys they are encrypted under.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  BufferSink,
  bufferSource,
  decryptProjection,
  type EncryptOptions,
  encryptParquet,
  type MasterKey,
  masterKeys,
  readSchema,
} from '../src/index.ts';

export const FOOTER_KEY: MasterKey = { id: '0', masterKey: new Uint8Array(32).fill(0xf0) };
export const AAD_PREFIX = new Uint8Array([1, 2, 3]);

/** The master key of the i-th top-level column. */
export function keyOf(i: number): MasterKey {
  return { id: String(i + 1), masterKey: new Uint8Array(32).fill(i + 1) };
}

/** A provider of the footer key and of the keys of some top-level columns. */
export function holding(...columns: readonly number[]) {
  const keys = [FOOTER_KEY, ...columns.map(keyOf)];
  return masterKeys(new Map(keys.map((k) => [k.id, k.masterKey])));
}

/** The names of top-level columns, in order. */
export async function topColumns(plain: Uint8Array): Promise<string[]> {
  const { columns } = await readSchema(bufferSource(plain));
  return [...new Set(columns.map((c) => c.parts[0] ?? ''))];
}

/** Encrypts in memory, the i-th top-level column under `keyOf(i)`. */
export async function seal(
  plain: Uint8Array,
  mode: Partial<EncryptOptions> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const columnKeys = new Map((await topColumns(plain)).map((name, i) => [name, keyOf(i)]));
  const sink = new BufferSink();
  const source = bufferSource(plain);
  const base = { source, sink, footerKey: FOOTER_KEY, columnKeys, aadPrefix: AAD_PREFIX };
  await encryptParquet({ ...base, ...mode });
  return sink.bytes();
}

/** Decrypts in memory. */
export async function unseal(
  sealed: Uint8Array,
  columns: readonly string[],
  keys = holding(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
): Promise<Uint8Array<ArrayBuffer>> {
  const sink = new BufferSink();
  await decryptProjection({ source: bufferSource(sealed), sink, keys, columns });
  return sink.bytes();
}

/** A file as gateways have DuckDB write it: its query, its settings, and how many rows it has. */
export const AS_GATEWAYS_WRITE = {
  sql: `SELECT i::BIGINT AS i, i::INTEGER * 3 AS n, sqrt(i) AS real, sqrt(i)::FLOAT AS single,
    CASE WHEN i % 5 = 0 THEN NULL ELSE sqrt(i + 1) END AS sparse, md5(i::VARCHAR) AS text,
    (i % 50)::VARCHAR AS few, (i / 7)::DECIMAL(18, 2) AS money, (i / 7)::DECIMAL(30, 5) AS more,
    DATE '2000-01-01' + (i % 40000)::INTEGER AS date, i % 3 = 0 AS flag,
    TIMESTAMP '2000-01-01' + to_seconds(i * 7) AS local, md5(i::VARCHAR)::BLOB AS bytes,
    make_timestamptz(i * 1000000) AS zoned FROM range(20000) r(i)`,
  options: 'COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE 8192',
  rows: 20_000,
};

/** DuckDB in memory, and a folder for its files. Each file has its own path: DuckDB caches. */
export class Duck {
  private readonly folder: string;
  private readonly instance: DuckDBInstance;
  private files = 0;

  private constructor(folder: string, instance: DuckDBInstance) {
    this.folder = folder;
    this.instance = instance;
  }

  static async open(): Promise<Duck> {
    const folder = await mkdtemp(join(tmpdir(), 'parquet-crypto-'));
    return new Duck(folder, await DuckDBInstance.create(':memory:', { threads: '1' }));
  }

  async close(): Promise<void> {
    this.instance.closeSync();
    await rm(this.folder, { recursive: true });
  }

  async query(sql: string): Promise<unknown[]> {
    const connection = await this.instance.connect();
    try {
      return (await connection.runAndReadAll(sql)).getRowsJson();
    } finally {
      connection.closeSync();
    }
  }

  /** The answer of a query, as a Parquet file. */
  async write(sql: string, options = 'ROW_GROUP_SIZE 2048'): Promise<Uint8Array> {
    const path = join(this.folder, `${this.files++}.parquet`);
    await this.query(`COPY (${sql}) TO '${path}' (FORMAT parquet, ${options})`);
    return new Uint8Array(await readFile(path));
  }

  /** All rows of a Parquet file. */
  async read(bytes: Uint8Array, columns = '*'): Promise<unknown[]> {
    const path = join(this.folder, `${this.files++}.parquet`);
    await writeFile(path, bytes);
    return await this.query(`SELECT ${columns} FROM '${path}'`);
  }
}
