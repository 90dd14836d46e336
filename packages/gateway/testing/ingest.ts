// SPDX-License-Identifier: Apache-2.0
// A desk for tests of ingest: folders of their own for each file, a second reader for what was
// written, and the code of what a promise rejects with.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '@cloister/core';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Inspection } from '../src/ingest/index.ts';

export class Desk {
  readonly root: string;
  readonly #instance: DuckDBInstance;
  #count = 0;

  private constructor(root: string, instance: DuckDBInstance) {
    this.root = root;
    this.#instance = instance;
  }

  static async open(): Promise<Desk> {
    const root = await mkdtemp(join(tmpdir(), 'cloister-ingest-'));
    return new Desk(root, await DuckDBInstance.create(':memory:', { threads: '1' }));
  }

  async close(): Promise<void> {
    this.#instance.closeSync();
    await rm(this.root, { recursive: true, force: true });
  }

  async folder(): Promise<string> {
    const folder = join(this.root, String(this.#count++));
    await mkdir(folder);
    return folder;
  }

  /** A folder of its own with one file in it; answers the file's path. */
  async given(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(await this.folder(), name);
    await writeFile(path, content);
    return path;
  }

  /** Rows as arrays of JSON values. */
  async query(sql: string): Promise<unknown[]> {
    const connection = await this.#instance.connect();
    try {
      return (await connection.runAndReadAll(sql)).getRowsJson();
    } finally {
      connection.closeSync();
    }
  }

  /** A Parquet file, alone in its folder, with what `sql` selects. */
  async parquet(sql: string, ...options: readonly string[]): Promise<string> {
    const path = join(await this.folder(), 't.parquet');
    await this.query(`COPY (${sql}) TO '${path}' (${['FORMAT parquet', ...options].join(', ')})`);
    return path;
  }
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

/** The sentences of what whoever adds the file should look at. */
export function warningsOf({ remarks }: Inspection): string[] {
  return remarks.map(({ says }) => says);
}
