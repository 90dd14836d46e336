// SPDX-License-Identifier: Apache-2.0
// Bytes on their way into a file, in parts and in order. Small parts are gathered: each page has
// six of them, an index three, and a buffer of its own costs hundreds of bytes.

const SMALL_BYTES = 1024;
const GATHERED_BYTES = 4096;

/** Parts, in order. */
export class Parts {
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
