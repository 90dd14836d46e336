// SPDX-License-Identifier: Apache-2.0
// Gathers small parts into writes of a few MiB, and knows the position in the file being written.
import type { ByteSink } from './io.ts';

const FLUSH_BYTES = 4 * 1024 * 1024;

/** A sink that writes in batches; `flush` before the end. */
export class BatchedSink {
  private readonly sink: ByteSink;
  private parts: Uint8Array[] = [];
  private waiting = 0;
  private at = 0;

  constructor(sink: ByteSink) {
    this.sink = sink;
  }

  /** Bytes taken so far: where the next one will be. */
  get position(): number {
    return this.at;
  }

  async write(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.parts.push(part);
      this.waiting += part.length;
      this.at += part.length;
    }
    if (this.waiting >= FLUSH_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.parts.length === 0) return;
    const parts = this.parts;
    this.parts = [];
    this.waiting = 0;
    await this.sink.write(parts);
  }
}
