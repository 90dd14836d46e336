// SPDX-License-Identifier: Apache-2.0
// Plain Parquet that somebody else may have made, in one file or in parts of one schema, looked at
// and converted into one file: by a child of its own with the limits and the locks of a run, which
// knows these files and the one that it writes. Whatever is wrong with them costs that child and a
// coded error; the engine's words stay inside.
import { open, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isColumnType } from '@cloister/contract/policy';
import { z } from 'zod';
import { EngineChild } from './child-process.ts';
import { engineError } from './errors.ts';
import { fold } from './statement.ts';

/** CSV, JSON as one array, JSON with an object a line, an Arrow IPC file, Parquet written anew. */
export type ExportFormat = 'csv' | 'json' | 'jsonl' | 'arrow' | 'parquet';

export interface ExportColumn {
  /** As it is written. */
  readonly name: string;
  /** Which the file must have; what the file has where absent. */
  readonly type?: string | undefined;
}

export interface ExportRequest {
  /** Plain Parquet, of which each file has the columns of the first; rows in their order. */
  readonly files: readonly string[];
  /** All columns of the file, in its order. */
  readonly columns: readonly ExportColumn[];
  /** Nothing is at `out` yet; absent where the file is only looked at. */
  readonly to?: { readonly format: ExportFormat; readonly out: string };
}

export interface ExportLimits {
  readonly memoryBytes: number;
  /** The longest file that is written. */
  readonly outBytes: number;
  readonly timeMs: number;
}

export interface ExportedColumn {
  readonly name: string;
  readonly type: string;
  /** How many of its values are NULL. */
  readonly nulls: number;
}

/** What the files have: every value of them has been read. */
export interface ExportFacts {
  readonly rows: number;
  readonly columns: readonly ExportedColumn[];
}

const THREADS = 1;
const ENTRY = 'export.mjs';
const count = z.number().int().min(0);
const looked = z.object({ types: z.array(z.string()), rows: count, nulls: z.array(count) });

/** Types that Parquet holds as another one, which tells no value of theirs apart. */
const STORED: Readonly<Record<string, string>> = {
  TIMESTAMP_S: 'TIMESTAMP',
  TIMESTAMP_MS: 'TIMESTAMP',
};

/**
 * Reads Parquet files whole, compares their columns with those of the request, and converts it
 * where that is asked for; what was begun is removed when it fails.
 * @throws CodedError `engine-text-failed`, `engine-columns-differ`, `engine-start-failed`
 */
export async function exportParquet(
  request: ExportRequest,
  limits: ExportLimits,
): Promise<ExportFacts> {
  const { memoryBytes, outBytes: fileBytes, timeMs } = limits;
  const files = request.files.map((file) => resolve(file));
  const cpuSeconds = 2 * Math.ceil(timeMs / 1_000) + 30;
  const childLimits = { memoryBytes, threads: THREADS, fileBytes, cpuSeconds };
  const out = request.to === undefined ? undefined : resolve(request.to.out);
  await prepare(files, out).catch(() => {
    throw failed(limits);
  });
  let child: EngineChild | undefined;
  let done = false;
  try {
    const writes = out === undefined ? [] : [out];
    child = await EngineChild.start(childLimits, { script: ENTRY, reads: files, writes });
    const settings = { memoryBytes, threads: THREADS, files };
    const answer = await child.ask({ op: 'look', ...settings, allowed: files }, timeMs);
    const seen = answer !== undefined && 'ok' in answer ? looked.safeParse(answer.ok).data : null;
    if (seen === null || seen === undefined) throw failed(limits);
    const columns = columnsOf(request.columns, seen);
    if (request.to !== undefined && out !== undefined) {
      const { format } = request.to;
      const convert = {
        op: 'convert',
        ...settings,
        allowed: [...files, out],
        out,
        format,
        columns,
      };
      const made = await child.ask(convert, timeMs);
      if (made === undefined || 'failed' in made) throw failed(limits);
    }
    done = true;
    return { rows: seen.rows, columns };
  } finally {
    await child?.kill();
    if (!done && out !== undefined) await rm(out, { force: true });
  }
}

/** A cage shows files that are there: those that are read, and the one that is written. */
async function prepare(files: readonly string[], out: string | undefined): Promise<void> {
  for (const file of files) await stat(file);
  if (out !== undefined) await (await open(out, 'wx', 0o600)).close();
}

/** @throws CodedError `engine-columns-differ` */
function columnsOf(
  wanted: readonly ExportColumn[],
  { types, nulls }: z.infer<typeof looked>,
): ExportFacts['columns'] {
  const differ = (message: string) => engineError('engine-columns-differ', message);
  if (types.length !== wanted.length) {
    throw differ(`the file has ${types.length} columns, wanted ${wanted.length}`);
  }
  const names = new Set<string>();
  return wanted.map(({ name, type }, at) => {
    const [got = '', absent = 0] = [types[at], nulls[at]];
    // A type from the file may name fields of its own: it is told where it is one of the list.
    const told = isColumnType(got) ? got : 'another type';
    if (type === undefined ? !isColumnType(got) : (STORED[type] ?? type) !== got) {
      const want = type ?? 'a type of a column';
      throw differ(`column ${JSON.stringify(name)} has ${told} in the file, wanted ${want}`);
    }
    const folded = fold(name);
    if (names.has(folded)) {
      throw differ(`column ${JSON.stringify(name)} is there twice, but for the case of letters`);
    }
    names.add(folded);
    return { name, type: type ?? got, nulls: absent };
  });
}

function failed({ memoryBytes, outBytes, timeMs }: ExportLimits) {
  const message =
    `the Parquet files cannot be converted within ${memoryBytes / 2 ** 20} MiB of memory, ` +
    `${outBytes / 2 ** 20} MiB written and ${timeMs / 1_000} s: they are damaged, or too large`;
  return engineError('engine-text-failed', message);
}
