// SPDX-License-Identifier: Apache-2.0
// The pages of one column chunk, in clear or encrypted, as one sequence of header and body. The
// body is what follows the header in a plain file: compressed values, for V2 pages after their
// levels (parquet-format README "Data Pages"; Encryption.md section 5.2).
//
// Invariants: sizes in headers are non-negative and within limits before anything is read by them;
// a dictionary page is only ever first; the chunk ends where its last page ends; the values of all
// pages add up to what the metadata says.

import { isCoded } from '@cloister/core';
import { ChunkReader } from './chunk-reader.ts';
import type { OpenColumn } from './columns.ts';
import { malformed, overLimit, refused, truncated, unsupported } from './errors.ts';
import type { OpenFile } from './footer.ts';
import { COLUMN, PAGE, PAGE_TYPE } from './format.ts';
import {
  type AesKey,
  type Body,
  byteLength,
  CTR_OVERHEAD,
  type FileAad,
  GCM_OVERHEAD,
  joined,
  LENGTH_BYTES,
  MODULE,
  moduleLength,
  NONCE_BYTES,
  openGcm,
  openPageBody,
} from './modules.ts';
import { parseStruct, parseStructPrefix, type ThriftStruct } from './thrift/struct.ts';

/** One page as it would stand in a plain file. */
export interface Page {
  readonly header: ThriftStruct;
  readonly isDictionary: boolean;
  /** Data pages are counted from 0; the dictionary page has none. */
  readonly ordinal: number;
  readonly values: number;
  readonly body: Body;
  readonly bodyLength: number;
  /** False where nothing vouches for some of the body. */
  readonly authenticated: boolean;
  /** Where it is in the source, header and framing included. */
  readonly offset: number;
  readonly length: number;
}

/** The first guess at the size of a page header in clear. */
const HEADER_GUESS = 1024;

/** Begins to read a chunk, so that its first bytes are here when its pages are asked for. */
export function startReading(file: OpenFile, column: OpenColumn): ChunkReader {
  return new ChunkReader(file.source, column.start, column.end, nameOf(column));
}

function nameOf(column: OpenColumn): string {
  return `column ${column.leaf.path} of row group ${column.rowGroup}`;
}

/** The pages of a chunk, decrypted where it is encrypted, every tag checked. */
export async function* pagesOf(
  file: OpenFile,
  column: OpenColumn,
  reader: ChunkReader = startReading(file, column),
): AsyncGenerator<Page> {
  const { metadata } = column;
  const name = nameOf(column);
  const read = column.key === undefined ? clearPage : sealedPage(file, column, column.key);
  let ordinal = 0;
  let values = 0;
  for (let first = true; reader.remaining > 0; first = false) {
    const page = await read(reader, { first, ordinal, name, file });
    if (page.isDictionary && !first) {
      throw malformed('parquet-malformed', `${name} has a dictionary page that is not its first`);
    }
    if (!page.isDictionary) {
      ordinal++;
      values += page.values;
    }
    yield page;
  }
  const wanted = metadata.requiredSize(COLUMN.values);
  if (values !== wanted) {
    throw refused('parquet-malformed', `${name} has ${values} values in its pages, not ${wanted}`);
  }
}

interface PagePlace {
  readonly first: boolean;
  readonly ordinal: number;
  readonly name: string;
  readonly file: OpenFile;
}

type PageRead = (reader: ChunkReader, place: PagePlace) => Promise<Page>;

async function clearPage(reader: ChunkReader, place: PagePlace): Promise<Page> {
  const { limits } = place.file;
  const offset = reader.position;
  let header: { struct: ThriftStruct; end: number } | undefined;
  for (let guess = HEADER_GUESS; header === undefined; guess *= 8) {
    const bytes = await reader.peek(guess);
    try {
      header = parseStructPrefix('PageHeader', bytes);
    } catch (error) {
      const whole = bytes.length >= reader.remaining;
      if (!isCoded(error, 'parquet-truncated') || whole) throw error;
      if (guess > limits.pageHeaderBytesMax) {
        throw overLimit(`a page header of ${place.name}`, guess, limits.pageHeaderBytesMax);
      }
    }
  }
  // The cursor keeps views into the window, which stays as it is.
  await reader.take(header.end);
  const shape = pageShape(header.struct, place);
  const body = await reader.takeParts(shape.bodyLength);
  const length = reader.position - offset;
  const { ordinal } = place;
  return { ...shape, header: header.struct, ordinal, body, offset, length, authenticated: false };
}

function sealedPage(file: OpenFile, column: OpenColumn, key: AesKey): PageRead {
  const { leaf } = column;
  if (file.unlocked === undefined || file.crypto === undefined) {
    throw refused(
      'key-missing',
      `column ${leaf.path} is encrypted, and the footer key is not here`,
    );
  }
  const { aad } = file.unlocked;
  const ctr = file.crypto.algorithm === 'AES_GCM_CTR_V1';
  const overhead = ctr ? CTR_OVERHEAD : GCM_OVERHEAD;
  return async (reader, place) => {
    const offset = reader.position;
    const sealed = await takeModule(reader, file.limits.pageHeaderBytesMax, place.name);
    const header = openHeader({ key, aad, column, place, sealed });
    const shape = pageShape(header, place);
    const levels = await clearLevels(file, reader, header, shape.bodyLength, place);
    const sealedLength = shape.bodyLength - byteLength(levels);
    if (sealedLength < overhead) {
      throw malformed('parquet-malformed', `a page of ${place.name} is shorter than its framing`);
    }
    const module = {
      head: await reader.take(LENGTH_BYTES + NONCE_BYTES),
      ciphertext: await reader.takeParts(sealedLength - overhead),
      tag: await reader.take(overhead - CTR_OVERHEAD),
    };
    const where = (): string => pageName(place, shape.isDictionary);
    const bodyAad = ctr ? undefined : pageAad(aad, column, place.ordinal, shape.isDictionary);
    const opened = openPageBody(key, bodyAad, module, { pool: file.pool, where });
    const length = reader.position - offset;
    return {
      ...shape,
      header,
      ordinal: place.ordinal,
      body: levels.length === 0 ? opened : behind(levels, opened),
      bodyLength: shape.bodyLength - overhead,
      offset,
      length,
      authenticated: !ctr && levels.length === 0,
    };
  };
}

/**
 * parquet-java (to 1.17) seals only the values of a V2 page and leaves its levels, which show
 * where nulls are, in clear before them; Arrow seals the whole body. The length prefix tells which:
 * a page of one shape cannot pass for the other, as its header, which has its size, is under a tag.
 */
async function clearLevels(
  file: OpenFile,
  reader: ChunkReader,
  header: ThriftStruct,
  bodyLength: number,
  place: PagePlace,
): Promise<readonly Uint8Array[]> {
  const v2 = header.struct(PAGE.dataV2, 'DataPageHeaderV2');
  if (v2 === undefined) return [];
  const levels = v2.requiredSize(5) + v2.requiredSize(6);
  if (levels === 0 || levels + LENGTH_BYTES > bodyLength) return [];
  const bytes = await reader.peek(levels + LENGTH_BYTES);
  if (bytes.length < levels + LENGTH_BYTES || moduleLength(bytes) === bodyLength) return [];
  if (moduleLength(bytes.subarray(levels)) !== bodyLength - levels) return [];
  if (!file.allowClearLevels) {
    const message = `${pageName(place, false)} has its levels in clear: nothing vouches for them`;
    throw refused('levels-clear', message);
  }
  return await reader.takeParts(levels);
}

function behind(first: readonly Uint8Array[], rest: Body): Body {
  if (rest instanceof Promise) return rest.then((parts) => [...first, ...parts]);
  return [...first, ...rest];
}

function openHeader(args: {
  readonly key: AesKey;
  readonly aad: FileAad;
  readonly column: OpenColumn;
  readonly place: PagePlace;
  readonly sealed: Uint8Array;
}): ThriftStruct {
  const { key, aad, column, place, sealed } = args;
  const { rowGroup, leaf } = column;
  const isDictionary = place.first && column.hasDictionary;
  const headerAad = isDictionary
    ? aad.chunk(MODULE.dictionaryPageHeader, rowGroup, leaf.ordinal)
    : aad.page(MODULE.dataPageHeader, rowGroup, leaf.ordinal, place.ordinal);
  const where = (): string => `the header of ${pageName(place, isDictionary)}`;
  const header = parseStruct('PageHeader', joined(openGcm(key, headerAad, sealed, where)));
  if ((header.int(PAGE.type) === PAGE_TYPE.dictionary) !== isDictionary) {
    throw malformed('parquet-malformed', `${where()} says that it is of another type`);
  }
  return header;
}

function pageAad(
  aad: FileAad,
  column: OpenColumn,
  ordinal: number,
  isDictionary: boolean,
): Uint8Array {
  const { rowGroup, leaf } = column;
  return isDictionary
    ? aad.chunk(MODULE.dictionaryPage, rowGroup, leaf.ordinal)
    : aad.page(MODULE.dataPage, rowGroup, leaf.ordinal, ordinal);
}

/** Takes one framed module by its length prefix. */
export async function takeModule(
  reader: ChunkReader,
  max: number,
  name: string,
): Promise<Uint8Array> {
  const head = await reader.peek(LENGTH_BYTES);
  if (head.length < LENGTH_BYTES) throw truncated(name);
  const length = moduleLength(head);
  if (length > max) throw overLimit(`a module of ${name}`, length, max);
  return await reader.take(length);
}

function pageShape(
  header: ThriftStruct,
  place: PagePlace,
): { isDictionary: boolean; values: number; bodyLength: number } {
  const type = header.requiredInt(PAGE.type);
  const bodyLength = header.requiredSize(PAGE.compressedSize);
  const max = place.file.limits.moduleBytesMax;
  if (bodyLength > max) throw overLimit(`a page of ${place.name}`, bodyLength, max);
  header.requiredSize(PAGE.uncompressedSize);
  const id = { 0: PAGE.data, 2: PAGE.dictionary, 3: PAGE.dataV2 }[type];
  if (id === undefined) throw unsupported(`${place.name} has a page of type ${type}`);
  const inner = header.struct(id, 'a page header');
  if (inner === undefined) {
    throw malformed('parquet-malformed', `a page header of ${place.name} lacks its inner header`);
  }
  const values = inner.requiredSize(1);
  return { isDictionary: type === PAGE_TYPE.dictionary, values, bodyLength };
}

function pageName(place: PagePlace, isDictionary: boolean): string {
  return `${isDictionary ? 'the dictionary page' : `page ${place.ordinal}`} of ${place.name}`;
}
