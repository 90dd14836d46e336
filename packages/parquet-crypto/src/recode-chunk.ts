// SPDX-License-Identifier: Apache-2.0
// Takes the pages of one column chunk from what they are under and puts them under what they shall
// be under: sealing, opening and checking are one walk. Bytes are moved, never decoded. It is done
// window by window and without waiting, here or in another thread.
//
// Invariants: page checksums are dropped, since readers check them over ciphertext and tags replace
// them; a part of the answer is never a view of a window; headers say the new sizes.
import { ByteQueue } from './byte-queue.ts';
import { type ChunkSeal, type ChunkTask, PageAads } from './chunk-task.ts';
import { overLimit } from './errors.ts';
import { PAGE } from './format.ts';
import { CTR_OVERHEAD, GCM_OVERHEAD, MODULE, sealCtr, sealGcm } from './modules.ts';
import type { PageLocation } from './offset-index.ts';
import { type Page, PageReader } from './pages.ts';
import { i32 } from './thrift/struct.ts';

/** What came of a chunk. Places are counted from the beginning of its first page. */
export interface RecodedChunk {
  readonly size: number;
  readonly pages: number;
  readonly dictionaryAt: number | undefined;
  readonly firstDataAt: number | undefined;
  /** Where data pages were and are, where the task asks for it. */
  readonly locations: readonly PageLocation[];
  /** False where nothing vouches for some page. */
  readonly authenticated: boolean;
}

/** What came of one window. */
export interface RecodedWindow {
  readonly parts: Uint8Array[];
  /** Windows, from the oldest, that are not needed any more. */
  readonly spent: number;
}

/** Sizes are 32-bit signed integers in page headers. */
const PAGE_BYTES_MAX = 0x7fffffff;

/** Recodes one chunk: `push` for each window of it in order, then `end`. */
export class ChunkRecoder {
  private readonly task: ChunkTask;
  private readonly queue = new ByteQueue();
  private readonly reader: PageReader;
  private readonly aads: PageAads | undefined;
  private readonly parts = new Parts();
  private readonly locations: PageLocation[] = [];
  private pages = 0;
  private dictionaryAt: number | undefined;
  private firstDataAt: number | undefined;
  private authenticated = true;

  constructor(task: ChunkTask) {
    this.task = task;
    this.reader = new PageReader(task, this.queue);
    this.aads = typeof task.to === 'string' ? undefined : new PageAads(task.to);
  }

  /** @throws CodedError `tag-invalid`, `parquet-truncated` and what malformed bytes give */
  push(window: Uint8Array): RecodedWindow {
    this.queue.push(window);
    for (let page = this.reader.next(); page !== undefined; page = this.reader.next()) {
      this.page(page);
    }
    const { spent } = this.queue;
    this.queue.spent = 0;
    return { parts: this.parts.drain(), spent };
  }

  /** @throws CodedError `parquet-truncated`, `parquet-malformed` */
  end(): RecodedChunk {
    this.reader.end();
    const { pages, dictionaryAt, firstDataAt, locations, authenticated } = this;
    const size = this.parts.length;
    return { size, pages, dictionaryAt, firstDataAt, locations, authenticated };
  }

  private page(page: Page): void {
    const { to } = this.task;
    const at = this.parts.length;
    if (to === 'clear') this.put(page);
    else if (to !== 'nothing') this.seal(to, page);
    this.pages++;
    this.authenticated &&= page.authenticated;
    if (page.isDictionary) this.dictionaryAt = at;
    else this.firstDataAt ??= at;
    if (this.task.indexed && !page.isDictionary) {
      this.locations.push({ from: page.offset, to: at, size: this.parts.length - at });
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

const SMALL_BYTES = 1024;
const GATHERED_BYTES = 4096;

/** Parts of an answer. Small ones are gathered: each page has six of them. */
class Parts {
  /** Bytes added so far, drained ones too. */
  length = 0;
  private parts: Uint8Array[] = [];
  private gathered = new Uint8Array(0);
  private start = 0;
  private at = 0;

  add(part: Uint8Array): void {
    this.length += part.length;
    if (part.length > SMALL_BYTES) {
      this.close();
      this.parts.push(part);
      return;
    }
    if (this.at + part.length > this.gathered.length) this.open(GATHERED_BYTES);
    this.gathered.set(part, this.at);
    this.at += part.length;
  }

  /** What was added since the last call; its buffers may be given away. */
  drain(): Uint8Array[] {
    this.open(0);
    const { parts } = this;
    this.parts = [];
    return parts;
  }

  private open(length: number): void {
    this.close();
    this.gathered = new Uint8Array(length);
    this.start = 0;
    this.at = 0;
  }

  private close(): void {
    if (this.at > this.start) this.parts.push(this.gathered.subarray(this.start, this.at));
    this.start = this.at;
  }
}
