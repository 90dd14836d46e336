// SPDX-License-Identifier: Apache-2.0
// Bytes that come in windows and are taken in order. They are copied only where what is asked for
// lies across two windows. A window stays as it is for as long as views of it are in use.
import { joinBytes } from './bytes.ts';

/** A queue of bytes. Callers ask for no more than `length`. */
export class ByteQueue {
  private readonly windows: Uint8Array[] = [];
  /** Where in the first window the next byte is. */
  private at = 0;
  private here = 0;
  /** Windows of which every byte has been taken, so far. */
  spent = 0;

  /** Bytes that are here. */
  get length(): number {
    return this.here;
  }

  push(window: Uint8Array): void {
    this.windows.push(window);
    this.here += window.length;
  }

  /** The next `length` bytes; they are not taken. */
  peek(length: number): Uint8Array {
    const first = this.windows[0]?.subarray(this.at, this.at + length) ?? new Uint8Array(0);
    if (first.length === length) return first;
    const parts = [first];
    let left = length - first.length;
    for (let i = 1; left > 0; i++) {
      const part = this.window(i).subarray(0, left);
      parts.push(part);
      left -= part.length;
    }
    return joinBytes(parts);
  }

  /** The next `length` bytes, in as many parts as there are windows that hold them. */
  takeParts(length: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const window = this.window(0);
      const part = window.subarray(this.at, this.at + left);
      parts.push(part);
      left -= part.length;
      this.at += part.length;
      if (this.at < window.length) continue;
      this.windows.shift();
      this.spent++;
      this.at = 0;
    }
    this.here -= length;
    return parts;
  }

  /** The next `length` bytes. */
  take(length: number): Uint8Array {
    const parts = this.takeParts(length);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : joinBytes(parts);
  }

  private window(i: number): Uint8Array {
    const window = this.windows[i];
    if (window === undefined) throw new Error('assertion failed: bytes that are here');
    return window;
  }
}
