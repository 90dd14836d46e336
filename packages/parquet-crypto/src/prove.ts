// SPDX-License-Identifier: Apache-2.0
// Proves that an encrypted file hides what it should, by reading it whole as a stranger would: the
// footer is encrypted, each column is under a key of its own, every module's tag holds, and every
// byte between the magic and the footer belongs to exactly one module whose tag has held. Leftovers
// in clear, overlaps and columns that a writer left out are found, whoever wrote the file.

import { taskOf } from './chunk-task.ts';
import { allChunks, type OpenColumns, openColumns, protectionOf } from './columns.ts';
import type { CryptoPool } from './crypto-pool.ts';
import { parquetError } from './errors.ts';
import { Extents } from './extents.ts';
import { type OpenFile, openParquet } from './footer.ts';
import { MAGIC_ENCRYPTED, type ParquetLimits } from './format.ts';
import type { KeyProvider } from './keys.ts';
import { recodeChunks } from './recode-chunks.ts';
import { type LeafColumn, LeafIndex } from './schema.ts';
import { IndexReader, readBloomFilter } from './side-modules.ts';
import type { RandomAccess } from './sources-and-sinks.ts';

export interface ProveOptions {
  readonly aadPrefix?: Uint8Array;
  /** Columns that may be in clear; none where absent. */
  readonly clearColumns?: readonly string[];
  /** Accept a signed footer in clear; false where absent. */
  readonly allowPlaintextFooter?: boolean;
  readonly limits?: Partial<ParquetLimits>;
  /** Threads to do the work; the calling thread alone where absent. */
  readonly pool?: CryptoPool | undefined;
}

/** What was proved. */
export interface Proof {
  readonly rows: number;
  readonly columns: readonly LeafColumn[];
  readonly modulesBytes: number;
  /** Columns left in clear, as the caller allowed. */
  readonly clear: readonly string[];
}

/**
 * Reads the whole file and proves that no column is in clear.
 * @throws CodedError `parquet-clear`, `column-clear`, `bytes-unaccounted`, `tag-invalid`,
 *   `key-missing`
 */
export async function assertFullyEncrypted(
  source: RandomAccess,
  keys: KeyProvider,
  options: ProveOptions = {},
): Promise<Proof> {
  const file = await openParquet({ source, keys, ...options });
  if (file.crypto === undefined) throw parquetError('parquet-clear', 'the file is not encrypted');
  if (file.mode !== 'encrypted-footer' && options.allowPlaintextFooter !== true) {
    throw parquetError('parquet-clear', 'the footer of the file is in clear');
  }
  const allowed = new Set(new LeafIndex(file.schema).select(options.clearColumns ?? []));
  const clear = new Set<string>();
  const columns = await openColumns(file, keys, allChunks(file), (chunk, leaf) => {
    if (protectionOf(file, chunk, leaf).kind !== 'clear') return;
    if (!allowed.has(leaf)) {
      throw parquetError('column-clear', `column ${leaf.path} is in clear`, {
        details: { column: leaf.path },
      });
    }
    clear.add(leaf.path);
  });
  const task = (i: number) => taskOf(file, columns.at(i), 'nothing');
  await recodeChunks(file.source, columns.length, task, {
    pool: options.pool,
    take: async () => undefined,
    done: () => undefined,
  });
  return {
    rows: file.rows,
    columns: file.schema.leaves,
    modulesBytes: assertTiled(await modulesOf(file, columns), file.footerStart),
    clear: [...clear],
  };
}

/** Where all modules are. Those beside the pages are read, which checks their tags. */
async function modulesOf(file: OpenFile, columns: OpenColumns): Promise<Extents> {
  const modules = { pages: new Extents(), blooms: new Extents(), indexes: new Extents() };
  const indexes = new IndexReader(file, columns);
  for (let i = 0; i < columns.length; i++) {
    const column = columns.at(i);
    modules.pages.add(column);
    const bloom = await readBloomFilter(file, column);
    if (bloom !== undefined) {
      modules.blooms.add({ start: bloom.offset, end: bloom.offset + bloom.length });
    }
    for (const kind of ['column', 'offset'] as const) {
      const range = indexes.rangeOf(column, kind);
      if (range === undefined) continue;
      await indexes.read(column, kind);
      modules.indexes.add(range);
    }
  }
  modules.pages.addAll(modules.blooms);
  modules.pages.addAll(modules.indexes);
  return modules.pages;
}

/** The modules fill the file from the magic to the footer, without gap or overlap. */
function assertTiled(modules: Extents, footerStart: number): number {
  let at = MAGIC_ENCRYPTED.length;
  for (const { start, end } of modules.sorted()) {
    if (start !== at) throw unaccounted(at, start);
    at = end;
  }
  if (at !== footerStart) throw unaccounted(at, footerStart);
  return at - MAGIC_ENCRYPTED.length;
}

function unaccounted(from: number, to: number): Error {
  const message = `bytes ${Math.min(from, to)} to ${Math.max(from, to)} are in no single module`;
  return parquetError('bytes-unaccounted', message);
}
