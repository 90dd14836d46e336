// SPDX-License-Identifier: Apache-2.0
// Moves column chunks from an open file into one that is being written, sealed or in clear: first
// all pages, then, row group by row group, what stands beside them and what the metadata must say.
//
// Invariants: every position that the metadata names is rewritten; side modules are put under the
// same key as the pages of their column; between the two passes a chunk is a few numbers, so that
// memory hardly grows with their count.
import type { BatchedSink } from './batched-sink.ts';
import { type ChunkSeal, taskOf } from './chunk-task.ts';
import type { OpenColumn, OpenColumns } from './columns.ts';
import type { CryptoPool } from './crypto-pool.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN } from './format.ts';
import { MODULE } from './modules.ts';
import { type MovedChunk, MovedChunks } from './moved-chunks.ts';
import { moveOffsetIndex } from './offset-index.ts';
import { recodeChunks } from './recode-chunks.ts';
import { IndexReader, readBloomFilter } from './side-modules.ts';
import type { Progress } from './sources-and-sinks.ts';
import { type Edits, i32, i64, parseStruct, type ThriftValue } from './thrift/struct.ts';

/** A chunk of which everything is written but its metadata. */
export interface PlacedChunk {
  readonly column: OpenColumn;
  readonly start: number;
  readonly size: number;
  readonly uncompressedSize: number;
  /** Fields of its ColumnMetaData and of its ColumnChunk that have changed. */
  readonly metadata: Edits;
  readonly chunk: Edits;
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
  columns: OpenColumns,
  { out, sealOf, pool, onProgress }: MoveOptions,
): Promise<MovedChunks> {
  const moved = new MovedChunks();
  let start = out.position;
  const task = (i: number) => {
    const column = columns.at(i);
    return taskOf(file, column, sealOf(column) ?? 'clear');
  };
  await recodeChunks(file.source, columns.length, task, {
    pool,
    take: (parts) => out.write(parts),
    done(chunk) {
      moved.push(chunk, start);
      start += chunk.size;
      onProgress?.({ done: moved.length, of: columns.length, bytesRead: file.source.bytesRead });
    },
  });
  return moved;
}

/** What side modules are put under; undefined where they shall be in clear. */
export type SideSeal = (column: OpenColumn, type: number, plain: Uint8Array) => Uint8Array[];

export interface SideOptions {
  readonly out: BatchedSink;
  readonly seal?: SideSeal;
  /** Encodes a row group, the g-th of those that are written. */
  readonly encode: (chunks: readonly PlacedChunk[], g: number) => Uint8Array;
}

/**
 * Writes bloom filter, column index and offset index of each chunk, where it has them; answers the
 * row groups, encoded.
 */
export async function moveSideModules(
  file: OpenFile,
  columns: OpenColumns,
  moved: MovedChunks,
  { out, seal = (_, __, plain) => [plain], encode }: SideOptions,
): Promise<Uint8Array[]> {
  const { leaves, rowGroups } = columns.choice;
  const side: Side = { file, indexes: new IndexReader(file, columns), out, seal };
  const encoded: Uint8Array[] = [];
  for (let g = 0; g < rowGroups.length; g++) {
    const placed: PlacedChunk[] = [];
    for (let i = g * leaves.length; i < (g + 1) * leaves.length; i++) {
      placed.push(await placeChunk(side, columns.at(i), moved.at(i)));
    }
    encoded.push(encode(placed, g));
  }
  return encoded;
}

interface Side {
  readonly file: OpenFile;
  readonly indexes: IndexReader;
  readonly out: BatchedSink;
  readonly seal: SideSeal;
}

async function placeChunk(
  { file, indexes, out, seal }: Side,
  column: OpenColumn,
  moved: MovedChunk,
): Promise<PlacedChunk> {
  const { start, size } = moved;
  const uncompressedSize = uncompressedSizeOf(column, size);
  const metadata = pagesEdits(moved, uncompressedSize);
  const chunk: Record<number, ThriftValue | undefined> = {};
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
  const columnIndex = await indexes.read(column, 'column');
  if (columnIndex !== undefined) {
    const place = await put([MODULE.columnIndex, columnIndex]);
    chunk[CHUNK.columnIndexOffset] = place.offset;
    chunk[CHUNK.columnIndexLength] = place.length;
  }
  const offsetIndex = await indexes.read(column, 'offset');
  if (offsetIndex !== undefined) {
    const index = parseStruct('OffsetIndex', offsetIndex);
    const place = await put([MODULE.offsetIndex, moveOffsetIndex(index, moved.locations, start)]);
    chunk[CHUNK.offsetIndexOffset] = place.offset;
    chunk[CHUNK.offsetIndexLength] = place.length;
  }
  return { column, start, size, uncompressedSize, metadata, chunk };
}

function uncompressedSizeOf({ metadata, start, end }: OpenColumn, size: number): number {
  const growth = size - (end - start);
  return Math.max(0, metadata.requiredSize(COLUMN.uncompressedSize) + growth);
}

function pagesEdits(moved: MovedChunk, uncompressedSize: number): Record<number, Edits[number]> {
  const { start, size, dictionaryAt, firstDataAt } = moved;
  return {
    [COLUMN.compressedSize]: i64(size),
    [COLUMN.uncompressedSize]: i64(uncompressedSize),
    [COLUMN.dataPageOffset]: i64(start + (firstDataAt ?? size)),
    [COLUMN.dictionaryPageOffset]:
      dictionaryAt === undefined ? undefined : i64(start + dictionaryAt),
    [COLUMN.indexPageOffset]: undefined,
  };
}
