// SPDX-License-Identifier: Apache-2.0
// Reads one column chunk in order, through windows of bounded size, with one window read ahead.
// Memory is two windows, or one page where a page is larger than a window. Bytes are copied only
// where what is asked for lies across two windows.
import { joinBytes } from './bytes.ts';
import { truncated } from './errors.ts';
import type { CheckedSource } from './io.ts';

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Bytes [start, end) of a source, in order. */
export class ChunkReader {
  private readonly source: CheckedSource;
  private readonly what: string;
  private readonly end: number;
  /** Windows that are here, and where in the first of them the next byte is. */
  private readonly windows: Uint8Array[] = [];
  private at = 0;
  private here = 0;
  /** The window that is being read, and its length. */
  private ahead: Promise<Uint8Array> | undefined;
  private coming = 0;
  private asked: number;

  constructor(source: CheckedSource, start: number, end: number, what: string) {
    this.source = source;
    this.asked = start;
    this.end = end;
    this.what = what;
    this.readAhead(0);
  }

  /** Bytes not yet taken. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** Where in the source the next byte is. */
  get position(): number {
    return this.asked - this.coming - this.here;
  }

  /** The next bytes, at least `length` of them or all that remain; they are not taken. */
  async peek(length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.remaining);
    if (this.here < wanted) await this.fill(wanted);
    const first = this.windows[0]?.subarray(this.at) ?? new Uint8Array(0);
    return first.length >= wanted ? first : this.join(wanted);
  }

  /** The next `length` bytes. @throws CodedError `parquet-truncated` */
  async take(length: number): Promise<Uint8Array> {
    const parts = await this.takeParts(length);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : joinBytes(parts);
  }

  /** The next `length` bytes, in as many parts as there are windows that hold them. */
  async takeParts(length: number): Promise<Uint8Array[]> {
    if (length > this.remaining) throw truncated(this.what);
    if (this.here < length) await this.fill(length);
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const [window] = this.windows;
      if (window === undefined) throw new Error('assertion failed: bytes that are here');
      const part = window.subarray(this.at, this.at + left);
      parts.push(part);
      left -= part.length;
      this.at += part.length;
      if (this.at === window.length) {
        this.windows.shift();
        this.at = 0;
      }
    }
    this.here -= length;
    return parts;
  }

  /** Waits until `length` bytes are here. */
  private async fill(length: number): Promise<void> {
    while (this.here < length && this.ahead !== undefined) {
      const next = await this.ahead;
      this.windows.push(next);
      this.here += next.length;
      this.coming = 0;
      this.ahead = undefined;
      this.readAhead(length - this.here);
    }
  }

  private readAhead(atLeast: number): void {
    const length = Math.min(Math.max(WINDOW_BYTES, atLeast), this.end - this.asked);
    if (length <= 0) return;
    this.ahead = this.source.read(this.asked, length, this.what);
    this.ahead.catch(() => undefined);
    this.asked += length;
    this.coming = length;
  }

  private join(length: number): Uint8Array {
    const parts: Uint8Array[] = [];
    let left = length;
    for (const [i, window] of this.windows.entries()) {
      const part = window.subarray(i === 0 ? this.at : 0).subarray(0, left);
      parts.push(part);
      left -= part.length;
      if (left === 0) break;
    }
    return joinBytes(parts);
  }
}
