// SPDX-License-Identifier: Apache-2.0
// What stands beside the pages of a chunk: bloom filter, column index, offset index
// (parquet-format BloomFilter.md, PageIndex.md; Encryption.md section 5.2). Answered in clear,
// decrypted and checked where the column is encrypted.

import type { OpenColumn } from './columns.ts';
import { overLimit, refused, truncated } from './errors.ts';
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
  if (end > file.footerStart) throw refused('parquet-malformed', `${name} is not within the file`);
  const range = { at: offset, end, name, file };
  const { header, bitset, length } = await (column.key === undefined
    ? clearBloom(range)
    : sealedBloom(range, column, column.key));
  if (said !== undefined && length !== said) {
    throw refused('parquet-malformed', `${name} has ${length} bytes, the footer says ${said}`);
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

/** Where an index is. */
interface IndexRange {
  readonly offset: number;
  readonly length: number;
}

/** Indexes that lie side by side are read together, up to so many bytes. */
const INDEX_WINDOW_BYTES = 1024 * 1024;

/** Reads the column indexes, or the offset indexes, of chunks: no byte but theirs. */
export class IndexReader {
  private readonly file: OpenFile;
  private readonly kind: keyof typeof INDEXES;
  private readonly ranges: readonly IndexRange[];
  private at = 0;
  private window: Uint8Array = new Uint8Array(0);

  constructor(file: OpenFile, columns: readonly OpenColumn[], kind: keyof typeof INDEXES) {
    this.file = file;
    this.kind = kind;
    const all = columns.flatMap((column) => this.rangeOf(column) ?? []);
    this.ranges = all.sort((a, b) => a.offset - b.offset);
  }

  /** Where the index of a chunk is; undefined where it has none. @throws CodedError */
  rangeOf({ chunk, leaf, rowGroup }: OpenColumn): IndexRange | undefined {
    const ids = INDEXES[this.kind];
    const offset = chunk.size(ids.offset);
    if (offset === undefined) return undefined;
    const length = chunk.requiredSize(ids.length);
    const name = `the ${this.kind} index of column ${leaf.path} in row group ${rowGroup}`;
    const max = this.file.limits.moduleBytesMax;
    if (length > max) throw overLimit(name, length, max);
    if (offset + length > this.file.footerStart) {
      throw refused('parquet-malformed', `${name} is not within the file`);
    }
    return { offset, length };
  }

  /** The index of a chunk, in clear; undefined where it has none. */
  async read(column: OpenColumn): Promise<Uint8Array | undefined> {
    const range = this.rangeOf(column);
    if (range === undefined) return undefined;
    const { leaf, rowGroup, key } = column;
    const name = `the ${this.kind} index of column ${leaf.path} in row group ${rowGroup}`;
    const bytes = await this.bytesOf(range, name);
    const { unlocked } = this.file;
    if (key === undefined || unlocked === undefined) return bytes;
    const aad = unlocked.aad.chunk(INDEXES[this.kind].module, rowGroup, leaf.ordinal);
    const plain = joined(openGcm(key, aad, bytes, () => name));
    return plain.subarray(0, parseStructPrefix(name, plain).end);
  }

  private async bytesOf({ offset, length }: IndexRange, name: string): Promise<Uint8Array> {
    const from = offset - this.at;
    if (from < 0 || from + length > this.window.length) {
      let end = offset + length;
      for (let i = this.after(end); this.ranges[i]?.offset === end; i++) {
        const more = this.ranges[i]?.length ?? 0;
        if (end + more - offset > INDEX_WINDOW_BYTES) break;
        end += more;
      }
      this.window = await this.file.source.read(offset, end - offset, name);
      this.at = offset;
    }
    return this.window.subarray(offset - this.at, offset - this.at + length);
  }

  /** The first range at `offset` or behind it. */
  private after(offset: number): number {
    let [low, high] = [0, this.ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ranges[middle]?.offset ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
