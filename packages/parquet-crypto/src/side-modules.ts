// SPDX-License-Identifier: Apache-2.0
// What stands beside the pages of a chunk: bloom filter, column index, offset index
// (parquet-format BloomFilter.md, PageIndex.md; Encryption.md section 5.2). Answered in clear,
// decrypted and checked where the column is encrypted.

import type { OpenColumn, OpenColumns } from './columns.ts';
import { overLimit, parquetError, truncated } from './errors.ts';
import { type Extent, Extents } from './extents.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN } from './format.ts';
import { type AesKey, joined, LENGTH_BYTES, MODULE, moduleLength, openGcm } from './modules.ts';
import { parseStructPrefix } from './thrift/struct.ts';

/** A bloom filter as it would stand in a plain file, and where it is in this one. */
export interface BloomFilter {
  readonly header: Uint8Array;
  readonly bitset: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** BloomFilterHeader is some twenty bytes. */
const BLOOM_HEADER_MAX = 1024;

/** The bloom filter of a chunk, or undefined where it has none. */
export async function readBloomFilter(
  file: OpenFile,
  column: OpenColumn,
): Promise<BloomFilter | undefined> {
  const offset = column.metadata.size(COLUMN.bloomFilterOffset);
  if (offset === undefined) return undefined;
  const said = column.metadata.size(COLUMN.bloomFilterLength);
  const name = `the bloom filter of column ${column.leaf.path} in row group ${column.rowGroup}`;
  const max = file.limits.moduleBytesMax;
  if (said !== undefined && said > max) throw overLimit(name, said, max);
  const end = said === undefined ? file.footerStart : offset + said;
  if (end > file.footerStart)
    throw parquetError('parquet-malformed', `${name} is not within the file`);
  const range = { at: offset, end, name, file };
  const { header, bitset, length } = await (column.key === undefined
    ? clearBloom(range)
    : sealedBloom(range, column, column.key));
  if (said !== undefined && length !== said) {
    throw parquetError('parquet-malformed', `${name} has ${length} bytes, the footer says ${said}`);
  }
  return { header, bitset, offset, length };
}

interface BloomRange {
  readonly file: OpenFile;
  readonly name: string;
  readonly at: number;
  readonly end: number;
}

type FoundBloom = Pick<BloomFilter, 'header' | 'bitset' | 'length'>;

async function clearBloom({ file, name, at, end }: BloomRange): Promise<FoundBloom> {
  const first = await file.source.read(at, Math.min(BLOOM_HEADER_MAX, end - at), name);
  const parsed = parseStructPrefix('BloomFilterHeader', first);
  const size = parsed.struct.requiredSize(1);
  const max = file.limits.moduleBytesMax;
  if (size > max) throw overLimit(name, size, max);
  const length = parsed.end + size;
  if (at + length > end) throw truncated(name);
  const bitset = await file.source.read(at + parsed.end, size, name);
  return { header: first.subarray(0, parsed.end), bitset, length };
}

async function sealedBloom(
  { file, name, at, end }: BloomRange,
  column: OpenColumn,
  key: AesKey,
): Promise<FoundBloom> {
  const { rowGroup, leaf } = column;
  const aad = file.unlocked?.aad;
  if (aad === undefined) throw new Error('assertion failed: an open column has AADs');
  let position = at;
  const open = async (type: number): Promise<Uint8Array> => {
    if (position + LENGTH_BYTES > end) throw truncated(name);
    const length = moduleLength(await file.source.read(position, LENGTH_BYTES, name));
    const max = file.limits.moduleBytesMax;
    if (length > max) throw overLimit(name, length, max);
    if (position + length > end) throw truncated(name);
    const module = await file.source.read(position, length, name);
    position += length;
    return joined(openGcm(key, aad.chunk(type, rowGroup, leaf.ordinal), module, () => name));
  };
  const header = await open(MODULE.bloomFilterHeader);
  const { end: headerEnd } = parseStructPrefix('BloomFilterHeader', header);
  const bitset = await open(MODULE.bloomFilterBitset);
  return { header: header.subarray(0, headerEnd), bitset, length: position - at };
}

const INDEXES = {
  column: {
    offset: CHUNK.columnIndexOffset,
    length: CHUNK.columnIndexLength,
    module: MODULE.columnIndex,
  },
  offset: {
    offset: CHUNK.offsetIndexOffset,
    length: CHUNK.offsetIndexLength,
    module: MODULE.offsetIndex,
  },
} as const;

type IndexKind = keyof typeof INDEXES;

/** Indexes that lie side by side are read together, up to so many bytes. */
const INDEX_WINDOW_BYTES = 1024 * 1024;

/** Reads the column and offset indexes of chunks, in their order: no byte but theirs. */
export class IndexReader {
  private readonly file: OpenFile;
  /** What all indexes fill, in the order of the file. */
  private readonly extents: readonly Extent[];
  /** At most two, the last used first: the two kinds may lie side by side, or apart. */
  private windows: readonly { readonly at: number; readonly bytes: Uint8Array }[] = [];

  constructor(file: OpenFile, columns: OpenColumns) {
    this.file = file;
    const found = { column: new Extents(), offset: new Extents() };
    for (let i = 0; i < columns.length; i++) {
      const place = columns.place(i);
      for (const kind of ['column', 'offset'] as const) {
        const range = this.rangeOf(place, kind);
        if (range !== undefined) found[kind].add(range);
      }
    }
    found.column.addAll(found.offset);
    this.extents = found.column.sorted();
  }

  /** Where an index of a chunk is; undefined where it has none. @throws CodedError */
  rangeOf(
    { chunk, leaf, rowGroup }: Pick<OpenColumn, 'chunk' | 'leaf' | 'rowGroup'>,
    kind: IndexKind,
  ): Extent | undefined {
    const ids = INDEXES[kind];
    const start = chunk.size(ids.offset);
    if (start === undefined) return undefined;
    const length = chunk.requiredSize(ids.length);
    const max = this.file.limits.moduleBytesMax;
    if (length > max) throw overLimit(indexName(kind, leaf.path, rowGroup), length, max);
    if (start + length > this.file.footerStart) {
      const name = indexName(kind, leaf.path, rowGroup);
      throw parquetError('parquet-malformed', `${name} is not within the file`);
    }
    return { start, end: start + length };
  }

  /** An index of a chunk, in clear; undefined where it has none. */
  async read(column: OpenColumn, kind: IndexKind): Promise<Uint8Array | undefined> {
    const range = this.rangeOf(column, kind);
    if (range === undefined) return undefined;
    const { leaf, rowGroup, key } = column;
    const name = indexName(kind, leaf.path, rowGroup);
    const bytes = this.held(range) ?? (await this.fetch(range, name));
    const { unlocked } = this.file;
    if (key === undefined || unlocked === undefined) return bytes;
    const aad = unlocked.aad.chunk(INDEXES[kind].module, rowGroup, leaf.ordinal);
    const plain = joined(openGcm(key, aad, bytes, () => name));
    return plain.subarray(0, parseStructPrefix(name, plain).end);
  }

  private held({ start, end }: Extent): Uint8Array | undefined {
    const found = this.windows.find(({ at, bytes }) => start >= at && end <= at + bytes.length);
    if (found === undefined) return undefined;
    this.windows = [found, ...this.windows.filter((window) => window !== found)];
    return found.bytes.subarray(start - found.at, end - found.at);
  }

  /** Reads a range and what lies behind it. */
  private async fetch({ start, end }: Extent, name: string): Promise<Uint8Array> {
    const behind = this.extentAt(start)?.end ?? end;
    const length = Math.max(end, Math.min(behind, start + INDEX_WINDOW_BYTES)) - start;
    const bytes = await this.file.source.read(start, length, name);
    this.windows = [{ at: start, bytes }, ...this.windows.slice(0, 1)];
    return bytes.subarray(0, end - start);
  }

  /** The extent that a byte is in. */
  private extentAt(offset: number): Extent | undefined {
    const { extents } = this;
    let [low, high] = [0, extents.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((extents[middle]?.end ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    const found = extents[low];
    return found !== undefined && found.start <= offset ? found : undefined;
  }
}

function indexName(kind: IndexKind, path: string, rowGroup: number): string {
  return `the ${kind} index of column ${path} in row group ${rowGroup}`;
}
