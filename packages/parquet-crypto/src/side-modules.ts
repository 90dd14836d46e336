// SPDX-License-Identifier: Apache-2.0
// What stands beside the pages of a chunk: bloom filter, column index, offset index
// (parquet-format BloomFilter.md, PageIndex.md; Encryption.md section 5.2). Answered in clear,
// decrypted and checked where the column is encrypted.

import { ChunkReader } from './chunk-reader.ts';
import type { OpenColumn } from './columns.ts';
import { overLimit, refused } from './errors.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN } from './format.ts';
import { joined, MODULE, openGcm } from './modules.ts';
import { takeModule } from './pages.ts';
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
  const reader = new ChunkReader(file.source, offset, end, name);
  const open = await bloomParts(file, column, reader, name);
  const length = reader.position - offset;
  if (said !== undefined && length !== said) {
    throw refused('parquet-malformed', `${name} has ${length} bytes, the footer says ${said}`);
  }
  return { ...open, offset, length };
}

async function bloomParts(
  file: OpenFile,
  column: OpenColumn,
  reader: ChunkReader,
  name: string,
): Promise<{ header: Uint8Array; bitset: Uint8Array }> {
  const { key, rowGroup, leaf } = column;
  const max = file.limits.moduleBytesMax;
  if (key !== undefined && file.unlocked !== undefined) {
    const { aad } = file.unlocked;
    const open = async (type: number): Promise<Uint8Array> => {
      const module = await takeModule(reader, max, name);
      return joined(openGcm(key, aad.chunk(type, rowGroup, leaf.ordinal), module, () => name));
    };
    const sealed = await open(MODULE.bloomFilterHeader);
    const header = sealed.subarray(0, parseStructPrefix('BloomFilterHeader', sealed).end);
    return { header, bitset: await open(MODULE.bloomFilterBitset) };
  }
  const { struct, end } = parseStructPrefix(
    'BloomFilterHeader',
    await reader.peek(BLOOM_HEADER_MAX),
  );
  const size = struct.requiredSize(1);
  if (size > max) throw overLimit(name, size, max);
  const header = await reader.take(end);
  return { header, bitset: await reader.take(size) };
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

/** The column index or offset index of a chunk, in clear, or undefined where it has none. */
export async function readIndex(
  file: OpenFile,
  column: OpenColumn,
  kind: keyof typeof INDEXES,
): Promise<Uint8Array | undefined> {
  const ids = INDEXES[kind];
  const { chunk, leaf, rowGroup, key } = column;
  const offset = chunk.size(ids.offset);
  if (offset === undefined) return undefined;
  const length = chunk.requiredSize(ids.length);
  const name = `the ${kind} index of column ${leaf.path} in row group ${rowGroup}`;
  const max = file.limits.moduleBytesMax;
  if (length > max) throw overLimit(name, length, max);
  if (offset + length > file.footerStart) {
    throw refused('parquet-malformed', `${name} is not within the file`);
  }
  const bytes = await file.source.read(offset, length, name);
  if (key === undefined || file.unlocked === undefined) return bytes;
  const aad = file.unlocked.aad.chunk(ids.module, rowGroup, leaf.ordinal);
  const plain = joined(openGcm(key, aad, bytes, () => name));
  return plain.subarray(0, parseStructPrefix(name, plain).end);
}
