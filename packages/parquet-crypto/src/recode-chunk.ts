// SPDX-License-Identifier: Apache-2.0
// Takes the pages of one column chunk from what they are under and puts them under what they shall
// be under: sealing, opening and checking are one walk. Bytes are moved, never decoded. It is done
// window by window and without waiting, here or in another thread.
//
// Invariants: page checksums are dropped, since readers check them over ciphertext and tags replace
// them; a part of the answer is never a view of a window; headers say the new sizes.

import type { Parts } from './byte-parts.ts';
import { ByteQueue } from './byte-queue.ts';
import { type ChunkSeal, type ChunkTask, PageAads } from './chunk-task.ts';
import { overLimit } from './errors.ts';
import { PAGE } from './format.ts';
import { CTR_OVERHEAD, GCM_OVERHEAD, MODULE, sealCtr, sealGcm } from './modules.ts';
import type { PageLocations } from './offset-index.ts';
import { type Page, PageReader } from './pages.ts';
import { i32 } from './thrift/struct.ts';

/** What came of a chunk. Places are counted from the beginning of its first page. */
export interface RecodedChunk {
  readonly size: number;
  readonly pages: number;
  readonly dictionaryAt: number | undefined;
  readonly firstDataAt: number | undefined;
  /** Where data pages were and are, where the task asks for it. */
  readonly locations: PageLocations;
  /** False where nothing vouches for some page. */
  readonly authenticated: boolean;
}

/** Sizes are 32-bit signed integers in page headers. */
const PAGE_BYTES_MAX = 0x7fffffff;

/** Recodes one chunk into `parts`: `push` for each window of it in order, then `end`. */
export class ChunkRecoder {
  private readonly task: ChunkTask;
  private readonly queue = new ByteQueue();
  private readonly reader: PageReader;
  private readonly aads: PageAads | undefined;
  private readonly parts: Parts;
  /** Where in `parts` the chunk begins. */
  private readonly base: number;
  private readonly locations: number[] = [];
  private pages = 0;
  private dictionaryAt: number | undefined;
  private firstDataAt: number | undefined;
  private authenticated = true;

  constructor(task: ChunkTask, parts: Parts) {
    this.task = task;
    this.parts = parts;
    this.base = parts.length;
    this.reader = new PageReader(task, this.queue);
    this.aads = typeof task.to === 'string' ? undefined : new PageAads(task.to);
  }

  /**
   * Answers how many windows, from the oldest, are not needed any more.
   * @throws CodedError `tag-invalid`, `parquet-truncated` and what malformed bytes give
   */
  push(window: Uint8Array): number {
    this.queue.push(window);
    for (let page = this.reader.next(); page !== undefined; page = this.reader.next()) {
      this.page(page);
    }
    const { spent } = this.queue;
    this.queue.spent = 0;
    return spent;
  }

  /** @throws CodedError `parquet-truncated`, `parquet-malformed` */
  end(): RecodedChunk {
    this.reader.end();
    const { pages, dictionaryAt, firstDataAt, locations, authenticated } = this;
    const size = this.parts.length - this.base;
    return { size, pages, dictionaryAt, firstDataAt, locations, authenticated };
  }

  private page(page: Page): void {
    const { to } = this.task;
    const at = this.parts.length - this.base;
    if (to === 'clear') this.put(page);
    else if (to !== 'nothing') this.seal(to, page);
    this.pages++;
    this.authenticated &&= page.authenticated;
    if (page.isDictionary) this.dictionaryAt = at;
    else this.firstDataAt ??= at;
    if (this.task.indexed && !page.isDictionary) {
      this.locations.push(page.offset, at, this.parts.length - this.base - at);
    }
  }

  private put(page: Page): void {
    this.parts.add(headerOf(page, page.bodyLength));
    const isWindow = this.task.from === undefined;
    for (const part of page.body) this.parts.add(isWindow ? part.slice() : part);
  }

  private seal(seal: ChunkSeal, page: Page): void {
    const { aads, parts } = this;
    if (aads === undefined) throw new Error('assertion failed: a seal has AADs');
    const ctr = seal.algorithm === 'AES_GCM_CTR_V1';
    const size = page.bodyLength + (ctr ? CTR_OVERHEAD : GCM_OVERHEAD);
    if (size > PAGE_BYTES_MAX) throw overLimit('a page', size, PAGE_BYTES_MAX);
    const { isDictionary, ordinal } = page;
    const headerType = isDictionary ? MODULE.dictionaryPageHeader : MODULE.dataPageHeader;
    const header = sealGcm(seal.key, aads.of(headerType, ordinal), headerOf(page, size));
    for (const part of header) parts.add(part);
    const bodyAad = aads.of(isDictionary ? MODULE.dictionaryPage : MODULE.dataPage, ordinal);
    const body = ctr ? sealCtr(seal.key, page.body) : sealGcm(seal.key, bodyAad, page.body);
    for (const part of body) parts.add(part);
  }
}

function headerOf(page: Page, size: number): Uint8Array {
  return page.header.edit({ [PAGE.compressedSize]: i32(size), [PAGE.crc]: undefined });
}
