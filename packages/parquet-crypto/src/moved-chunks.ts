// SPDX-License-Identifier: Apache-2.0
// Where the pages of chunks are that have been moved, kept from the first page that is written to
// the last footer: as numbers outside the heap of JavaScript, since a file may have a hundred
// thousand of them, and a heap that is small is collected seldom.
import type { RecodedChunk } from './recode-chunk.ts';

/** Where the pages of a chunk are now. Places are counted from `start`. */
export interface MovedChunk
  extends Pick<RecodedChunk, 'size' | 'dictionaryAt' | 'firstDataAt' | 'locations'> {
  readonly start: number;
}

/** Start, size, place of the dictionary page and of the first data page, end of its locations. */
const PER_CHUNK = 5;

/** Moved chunks, in order. */
export class MovedChunks {
  private readonly chunks = new Numbers();
  private readonly locations = new Numbers();
  /** Pages of all. */
  pages = 0;
  /** False where nothing vouches for some page. */
  authenticated = true;

  get length(): number {
    return this.chunks.length / PER_CHUNK;
  }

  push(chunk: RecodedChunk, start: number): void {
    const { size, dictionaryAt = Number.NaN, firstDataAt = Number.NaN } = chunk;
    this.locations.push(chunk.locations);
    this.chunks.push([start, size, dictionaryAt, firstDataAt, this.locations.length]);
    this.pages += chunk.pages;
    this.authenticated &&= chunk.authenticated;
  }

  /** The i-th. */
  at(i: number): MovedChunk {
    const at = PER_CHUNK * i;
    const [start = 0, size = 0, dictionaryAt, firstDataAt, end = 0] = this.chunks.slice(
      at,
      at + PER_CHUNK,
    );
    const [begin = 0] = i === 0 ? [] : this.chunks.slice(at - 1, at);
    return {
      start,
      size,
      dictionaryAt: numberOrNone(dictionaryAt),
      firstDataAt: numberOrNone(firstDataAt),
      locations: this.locations.slice(begin, end),
    };
  }
}

function numberOrNone(value: number | undefined): number | undefined {
  return value === undefined || Number.isNaN(value) ? undefined : value;
}

/** Numbers that are added at the end. */
class Numbers {
  private values = new Float64Array(1024);
  length = 0;

  push(more: readonly number[]): void {
    const length = this.length + more.length;
    if (length > this.values.length) {
      const grown = new Float64Array(Math.max(length, this.values.length * 2));
      grown.set(this.values);
      this.values = grown;
    }
    this.values.set(more, this.length);
    this.length = length;
  }

  slice(start: number, end: number): readonly number[] {
    return Array.from(this.values.subarray(start, end));
  }
}
