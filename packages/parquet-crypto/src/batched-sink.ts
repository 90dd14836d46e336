// SPDX-License-Identifier: Apache-2.0
// Gathers parts into writes of a MiB or more, in order, and knows the position in the file that is
// being written. While one batch is written the next is made, so at most two are in memory.

import { Parts } from './byte-parts.ts';
import type { ByteSink } from './sources-and-sinks.ts';

const BATCH_BYTES_MIN = 1024 * 1024;

/** A sink that writes in batches; `flush` before the end. */
export class BatchedSink {
  private readonly sink: ByteSink;
  private readonly batch = new Parts();
  /** Where the batch begins. */
  private start = 0;
  private running: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.sink = sink;
  }

  /** Bytes taken so far: where the next one will be. */
  get position(): number {
    return this.batch.length;
  }

  async write(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) this.batch.add(part);
    if (this.position - this.start >= BATCH_BYTES_MIN) await this.turn();
  }

  /** Waits until all is written. */
  async flush(): Promise<void> {
    await this.turn();
    await this.running;
  }

  /** Runs `work`; if it fails, the batch that is being written is waited for, then it fails. */
  async settled<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.running.catch(() => undefined);
      throw error;
    }
  }

  private async turn(): Promise<void> {
    await this.running;
    const batch = this.batch.drain();
    this.start = this.position;
    if (batch.length === 0) return;
    this.running = this.sink.write(batch);
    this.running.catch(() => undefined);
  }
}
