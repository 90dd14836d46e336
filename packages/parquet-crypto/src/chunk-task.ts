// SPDX-License-Identifier: Apache-2.0
// What becomes of one column chunk: what its pages are under and what they shall be under. A task
// is plain data, so that it can be done here or posted to another thread as it is.
import type { OpenColumn } from './columns.ts';
import { overLimit, parquetError } from './errors.ts';
import type { OpenFile } from './footer.ts';
import { CHUNK, COLUMN, ORDINAL_MAX, type ParquetLimits } from './format.ts';
import type { AesKeyParts, EncryptionAlgorithm, FileAad } from './modules.ts';

/** What the pages of one column chunk are sealed under. */
export interface ChunkSeal {
  readonly key: AesKeyParts;
  readonly algorithm: EncryptionAlgorithm;
  /** The AAD of a data page of this chunk; its type and page ordinal are to be set, if any. */
  readonly aad: Uint8Array;
}

/** One column chunk and what to do with its pages. */
export interface ChunkTask {
  /** For errors. */
  readonly name: string;
  /** Where its pages are in the source. */
  readonly start: number;
  readonly end: number;
  /** How many values its pages must have together. */
  readonly values: number;
  readonly hasDictionary: boolean;
  /** Whether someone will ask where each page went. */
  readonly indexed: boolean;
  readonly limits: ParquetLimits;
  readonly allowClearLevels: boolean;
  /** Undefined where its pages are in clear. */
  readonly from: ChunkSeal | undefined;
  /** `nothing` where pages are only to be checked. */
  readonly to: ChunkSeal | 'clear' | 'nothing';
}

/** The seal that a column's pages are under; undefined where they are in clear. */
export function sealOf(file: OpenFile, column: OpenColumn): ChunkSeal | undefined {
  const { key, leaf } = column;
  if (key === undefined) return undefined;
  if (file.unlocked === undefined || file.crypto === undefined) {
    throw parquetError(
      'key-missing',
      `column ${leaf.path} is encrypted; the footer key is not here`,
    );
  }
  return chunkSeal(file.unlocked.aad, column, { key, algorithm: file.crypto.algorithm });
}

/** The seal of a chunk's place in a file. */
export function chunkSeal(
  aad: FileAad,
  place: Pick<OpenColumn, 'rowGroup' | 'leaf'>,
  under: Omit<ChunkSeal, 'aad'>,
): ChunkSeal {
  const { key, algorithm } = under;
  const { bits, object } = key;
  return {
    key: { bits, object },
    algorithm,
    aad: aad.page(0, place.rowGroup, place.leaf.ordinal, 0),
  };
}

/** What to do with a column of an open file. */
export function taskOf(file: OpenFile, column: OpenColumn, to: ChunkTask['to']): ChunkTask {
  return {
    name: `column ${column.leaf.path} of row group ${column.rowGroup}`,
    start: column.start,
    end: column.end,
    values: column.metadata.requiredSize(COLUMN.values),
    hasDictionary: column.hasDictionary,
    indexed: column.chunk.has(CHUNK.offsetIndexOffset),
    limits: file.limits,
    allowClearLevels: file.allowClearLevels,
    from: sealOf(file, column),
    to,
  };
}

/** Bytes of the type, and of each ordinal, at the end of an AAD. */
const ORDINAL_BYTES = 2;
const TYPE_FROM_END = 1 + 3 * ORDINAL_BYTES;

/** The AADs of a chunk's pages. Each is good until the next is asked for. */
export class PageAads {
  private readonly bytes: Uint8Array;

  constructor(seal: ChunkSeal) {
    this.bytes = seal.aad.slice();
  }

  /** @param page the ordinal of a data page; undefined for a dictionary page */
  of(type: number, page: number | undefined): Uint8Array {
    const { bytes } = this;
    if (bytes.length === 0) return bytes;
    const end = bytes.length;
    bytes[end - TYPE_FROM_END] = type;
    if (page === undefined) return bytes.subarray(0, end - ORDINAL_BYTES);
    if (page > ORDINAL_MAX) throw overLimit('the ordinal of a page', page, ORDINAL_MAX);
    bytes[end - 2] = page & 0xff;
    bytes[end - 1] = page >> 8;
    return bytes;
  }
}
