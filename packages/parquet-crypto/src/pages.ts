// SPDX-License-Identifier: Apache-2.0
// The pages of one column chunk, in clear or encrypted, as one sequence of header and body. The
// body is what follows the header in a plain file: compressed values, for V2 pages after their
// levels (parquet-format README "Data Pages"; Encryption.md section 5.2).
//
// Invariants: sizes in headers are non-negative and within limits before anything is read by them;
// a dictionary page is only ever first; the chunk ends where its last page ends; the values of all
// pages add up to what the metadata says; no body is answered before its tag has held.
import { isCoded } from '@cloister/core';
import type { ByteQueue } from './byte-queue.ts';
import { type ChunkSeal, type ChunkTask, PageAads } from './chunk-task.ts';
import { overLimit, parquetError, truncated, unsupported } from './errors.ts';
import { PAGE, PAGE_TYPE } from './format.ts';
import {
  byteLength,
  CTR_OVERHEAD,
  GCM_OVERHEAD,
  joined,
  LENGTH_BYTES,
  MODULE,
  moduleLength,
  NONCE_BYTES,
  openCtr,
  openGcm,
} from './modules.ts';
import { parseStruct, parseStructPrefix, type ThriftStruct } from './thrift/struct.ts';

/** One page as it would stand in a plain file. */
export interface Page extends PageHead {
  readonly body: readonly Uint8Array[];
  /** Its length in clear. */
  readonly bodyLength: number;
  /** False where nothing vouches for some of the body. */
  readonly authenticated: boolean;
  /** Where it is in the source. */
  readonly offset: number;
}

interface PageHead {
  readonly header: ThriftStruct;
  readonly isDictionary: boolean;
  readonly values: number;
  /** Data pages are counted from 0; undefined for the dictionary page. */
  readonly ordinal: number | undefined;
}

/** A page whose header has been taken and whose body, of so many bytes, has not. */
interface Begun extends PageHead {
  readonly offset: number;
  readonly bytes: number;
}

/** The first guess at the size of a page header in clear. */
const HEADER_GUESS = 512;

/** Takes the pages of a chunk from a queue of its bytes. */
export class PageReader {
  private readonly task: ChunkTask;
  private readonly queue: ByteQueue;
  private readonly aads: PageAads | undefined;
  private begun: Begun | undefined;
  private position: number;
  private first = true;
  private ordinal = 0;
  private values = 0;

  constructor(task: ChunkTask, queue: ByteQueue) {
    this.task = task;
    this.queue = queue;
    this.position = task.start;
    this.aads = task.from && new PageAads(task.from);
  }

  /** The next page; undefined until all of it is in the queue. */
  next(): Page | undefined {
    if (this.begun === undefined && this.position === this.task.end) return undefined;
    this.begun ??= this.begin();
    if (this.begun === undefined || !this.has(this.begun.bytes)) return undefined;
    const page = this.read(this.begun);
    this.begun = undefined;
    return page;
  }

  /** To be called after the last window: nothing may be left or missing. */
  end(): void {
    const { task, values } = this;
    if (this.position !== task.end || this.begun !== undefined) throw truncated(task.name);
    if (values === task.values) return;
    const message = `${task.name} has ${values} values in its pages, not ${task.values}`;
    throw parquetError('parquet-malformed', message);
  }

  /** Whether the next `length` bytes are here. @throws CodedError where they will never be */
  private has(length: number): boolean {
    if (this.position + length > this.task.end) throw truncated(this.task.name);
    return this.queue.length >= length;
  }

  private take(length: number): Uint8Array {
    this.position += length;
    return this.queue.take(length);
  }

  private takeParts(length: number): Uint8Array[] {
    this.position += length;
    return this.queue.takeParts(length);
  }

  private begin(): Begun | undefined {
    const { task } = this;
    const offset = this.position;
    const header = task.from === undefined ? this.clearHeader() : this.sealedHeader(task.from);
    if (header === undefined) return undefined;
    const { isDictionary, values, bytes } = pageShape(header, task);
    if (isDictionary && !this.first) {
      throw parquetError('parquet-malformed', `${task.name} has a second dictionary page`);
    }
    this.first = false;
    this.values += values;
    if (isDictionary) return { header, isDictionary, values: 0, ordinal: undefined, offset, bytes };
    return { header, isDictionary, values, ordinal: this.ordinal++, offset, bytes };
  }

  private clearHeader(): ThriftStruct | undefined {
    const { queue, task } = this;
    const max = task.limits.pageHeaderBytesMax;
    for (let guess = HEADER_GUESS; ; guess *= 8) {
      const bytes = queue.peek(Math.min(guess, queue.length));
      try {
        const { struct, end } = parseStructPrefix('PageHeader', bytes);
        this.take(end);
        return struct;
      } catch (error) {
        const whole = this.position + bytes.length >= task.end;
        if (!isCoded(error, 'parquet-truncated') || whole) throw error;
        if (guess > max) throw overLimit(`a page header of ${task.name}`, guess, max);
        if (bytes.length < guess) return undefined;
      }
    }
  }

  private sealedHeader(seal: ChunkSeal): ThriftStruct | undefined {
    const { queue, task, aads } = this;
    if (!this.has(LENGTH_BYTES)) return undefined;
    const length = moduleLength(queue.peek(LENGTH_BYTES));
    const max = task.limits.pageHeaderBytesMax;
    if (length > max) throw overLimit(`a page header of ${task.name}`, length, max);
    if (!this.has(length) || aads === undefined) return undefined;
    const page = this.first && task.hasDictionary ? undefined : this.ordinal;
    const type = page === undefined ? MODULE.dictionaryPageHeader : MODULE.dataPageHeader;
    const where = (): string => `the header of ${pageName(task, page)}`;
    const plain = openGcm(seal.key, aads.of(type, page), this.take(length), where);
    const header = parseStruct('PageHeader', joined(plain));
    if ((header.int(PAGE.type) === PAGE_TYPE.dictionary) !== (page === undefined)) {
      throw parquetError('parquet-malformed', `${where()} says that it is of another type`);
    }
    return header;
  }

  private read(begun: Begun): Page {
    const { from } = this.task;
    const { bytes, ...head } = begun;
    if (from !== undefined) return { ...head, ...this.openBody(from, begun) };
    return { ...head, body: this.takeParts(bytes), bodyLength: bytes, authenticated: false };
  }

  private openBody(
    seal: ChunkSeal,
    begun: Begun,
  ): Pick<Page, 'body' | 'bodyLength' | 'authenticated'> {
    const { task, aads } = this;
    if (aads === undefined) throw new Error('assertion failed: a sealed chunk has AADs');
    const ctr = seal.algorithm === 'AES_GCM_CTR_V1';
    const overhead = ctr ? CTR_OVERHEAD : GCM_OVERHEAD;
    const levels = this.clearLevels(begun);
    const sealedLength = begun.bytes - byteLength(levels);
    if (sealedLength < overhead) {
      throw parquetError('parquet-malformed', `a page of ${task.name} is shorter than its framing`);
    }
    const module = {
      head: this.take(LENGTH_BYTES + NONCE_BYTES),
      ciphertext: this.takeParts(sealedLength - overhead),
      tag: this.take(overhead - CTR_OVERHEAD),
    };
    const where = (): string => pageName(task, begun.ordinal);
    const type = begun.isDictionary ? MODULE.dictionaryPage : MODULE.dataPage;
    const opened = ctr
      ? openCtr(seal.key, module, where)
      : openGcm(seal.key, aads.of(type, begun.ordinal), module, where);
    return {
      body: [...levels, ...opened],
      bodyLength: begun.bytes - overhead,
      authenticated: !ctr && levels.length === 0,
    };
  }

  /**
   * parquet-java (to 1.17) seals only the values of a V2 page and leaves its levels, which show
   * where nulls are, in clear before them; Arrow seals the whole body. The length prefix tells
   * which: a page of one shape cannot pass for the other, as its header, which has its size, is
   * under a tag.
   */
  private clearLevels({ header, bytes, ordinal }: Begun): readonly Uint8Array[] {
    const { task, queue } = this;
    const v2 = header.struct(PAGE.dataV2, 'DataPageHeaderV2');
    if (v2 === undefined) return [];
    const levels = v2.requiredSize(5) + v2.requiredSize(6);
    if (levels === 0 || levels + LENGTH_BYTES > bytes) return [];
    if (moduleLength(queue.peek(LENGTH_BYTES)) === bytes) return [];
    const behind = queue.peek(levels + LENGTH_BYTES).subarray(levels);
    if (moduleLength(behind) !== bytes - levels) return [];
    if (!task.allowClearLevels) {
      const message = `${pageName(task, ordinal)} has its levels in clear, under no tag`;
      throw parquetError('levels-clear', message);
    }
    return [this.take(levels).slice()];
  }
}

function pageShape(
  header: ThriftStruct,
  task: ChunkTask,
): { isDictionary: boolean; values: number; bytes: number } {
  const type = header.requiredInt(PAGE.type);
  // Who ties modules to nothing, DuckDB, leaves the framing out of the size.
  const framing = task.from?.aad.length === 0 ? GCM_OVERHEAD : 0;
  const bytes = header.requiredSize(PAGE.compressedSize) + framing;
  const max = task.limits.moduleBytesMax;
  if (bytes > max) throw overLimit(`a page of ${task.name}`, bytes, max);
  header.requiredSize(PAGE.uncompressedSize);
  const id = { 0: PAGE.data, 2: PAGE.dictionary, 3: PAGE.dataV2 }[type];
  if (id === undefined) throw unsupported(`${task.name} has a page of type ${type}`);
  const inner = header.struct(id, 'a page header');
  if (inner === undefined) {
    throw parquetError('parquet-malformed', `a page header of ${task.name} lacks its inner header`);
  }
  const isDictionary = type === PAGE_TYPE.dictionary;
  const values = inner.requiredSize(1);
  return { isDictionary, values: isDictionary ? 0 : values, bytes };
}

function pageName(task: ChunkTask, ordinal: number | undefined): string {
  const page = ordinal === undefined ? 'the dictionary page' : `page ${ordinal}`;
  return `${page} of ${task.name}`;
}
