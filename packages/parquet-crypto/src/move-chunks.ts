// SPDX-License-Identifier: Apache-2.0
// Moves column chunks from an open file into one that is being written, sealed or in clear, and
// keeps what their metadata must say afterwards: first all pages, then what stands beside them.
//
// Invariants: every position that the metadata names is rewritten; side modules are put under the
// same key as the pages of their column.
import type { BatchedSink } from './batched-sink.ts';
import { type ChunkSeal, taskOf } from './chunk-task.ts';
import type { OpenColumn } from './columns.ts';
import type { CryptoPool } from './crypto-pool.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN } from './format.ts';
import type { Progress } from './io.ts';
import { MODULE } from './modules.ts';
import { moveOffsetIndex, type PageLocation } from './offset-index.ts';
import type { RecodedChunk } from './recode-chunk.ts';
import { recodeChunks } from './recode-chunks.ts';
import { IndexReader, readBloomFilter } from './side-modules.ts';
import { i32, i64, parseStruct, type ThriftValue } from './thrift/struct.ts';

/** A chunk whose pages are written and whose metadata is not. */
export interface MovedChunk {
  readonly column: OpenColumn;
  /** Fields of its ColumnMetaData and of its ColumnChunk that have changed. */
  readonly metadata: Record<number, ThriftValue | undefined>;
  readonly chunk: Record<number, ThriftValue | undefined>;
  /** Places of data pages, where the chunk has an offset index. */
  readonly locations: readonly PageLocation[];
  readonly start: number;
  readonly size: number;
  readonly uncompressedSize: number;
  readonly pages: number;
  readonly authenticated: boolean;
}

export interface MoveOptions {
  readonly out: BatchedSink;
  /** What a column is put under; undefined where it shall be in clear. */
  readonly sealOf: (column: OpenColumn) => ChunkSeal | undefined;
  readonly pool: CryptoPool | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Writes the pages of all columns, in order. */
export async function moveChunks(
  file: OpenFile,
  columns: readonly OpenColumn[],
  { out, sealOf, pool, onProgress }: MoveOptions,
): Promise<MovedChunk[]> {
  const moved: MovedChunk[] = [];
  const tasks = columns.map((column) => taskOf(file, column, sealOf(column) ?? 'clear'));
  let start = out.position;
  await recodeChunks(file.source, tasks, {
    pool,
    take: (parts) => out.write(parts),
    done(chunk, i) {
      moved.push(movedChunk(columns[i] as OpenColumn, start, chunk));
      start = out.position;
      onProgress?.({ done: moved.length, of: tasks.length, bytesRead: file.source.bytesRead });
    },
  });
  return moved;
}

function movedChunk(column: OpenColumn, start: number, recoded: RecodedChunk): MovedChunk {
  const { size, pages, authenticated, dictionaryAt, firstDataAt } = recoded;
  const growth = size - (column.end - column.start);
  const before = column.metadata.requiredSize(COLUMN.uncompressedSize);
  const uncompressedSize = Math.max(0, before + growth);
  const dictionary = dictionaryAt === undefined ? undefined : i64(start + dictionaryAt);
  return {
    column,
    metadata: {
      [COLUMN.compressedSize]: i64(size),
      [COLUMN.uncompressedSize]: i64(uncompressedSize),
      [COLUMN.dataPageOffset]: i64(start + (firstDataAt ?? size)),
      [COLUMN.dictionaryPageOffset]: dictionary,
      [COLUMN.indexPageOffset]: undefined,
    },
    chunk: {},
    locations: recoded.locations.map((at) => ({ ...at, to: start + at.to })),
    ...{ start, size, uncompressedSize, pages, authenticated },
  };
}

/** What side modules are put under; undefined where they shall be in clear. */
export type SideSeal = (column: OpenColumn, type: number, plain: Uint8Array) => Uint8Array[];

/** Writes bloom filter, column index and offset index of each chunk, where it has them. */
export async function moveSideModules(
  file: OpenFile,
  chunks: readonly MovedChunk[],
  out: BatchedSink,
  seal: SideSeal = (_, __, plain) => [plain],
): Promise<void> {
  const columns = chunks.map((moved) => moved.column);
  const columnIndexes = new IndexReader(file, columns, 'column');
  const offsetIndexes = new IndexReader(file, columns, 'offset');
  for (const { column, metadata, chunk, locations } of chunks) {
    const put = async (...modules: [type: number, plain: Uint8Array][]) => {
      const at = out.position;
      for (const [type, plain] of modules) await out.write(seal(column, type, plain));
      return { offset: i64(at), length: i32(out.position - at) };
    };
    const bloom = await readBloomFilter(file, column);
    if (bloom !== undefined) {
      const place = await put(
        [MODULE.bloomFilterHeader, bloom.header],
        [MODULE.bloomFilterBitset, bloom.bitset],
      );
      metadata[COLUMN.bloomFilterOffset] = place.offset;
      metadata[COLUMN.bloomFilterLength] = place.length;
    }
    const columnIndex = await columnIndexes.read(column);
    if (columnIndex !== undefined) {
      const place = await put([MODULE.columnIndex, columnIndex]);
      chunk[CHUNK.columnIndexOffset] = place.offset;
      chunk[CHUNK.columnIndexLength] = place.length;
    }
    const offsetIndex = await offsetIndexes.read(column);
    if (offsetIndex !== undefined) {
      const now = moveOffsetIndex(parseStruct('OffsetIndex', offsetIndex), locations);
      const place = await put([MODULE.offsetIndex, now]);
      chunk[CHUNK.offsetIndexOffset] = place.offset;
      chunk[CHUNK.offsetIndexLength] = place.length;
    }
  }
}

/** The chunks of each row group: `columns` of them one after another. */
export function byRowGroup(
  moved: readonly MovedChunk[],
  groups: number,
  columns: number,
): MovedChunk[][] {
  return Array.from({ length: groups }, (_, g) => moved.slice(g * columns, (g + 1) * columns));
}
