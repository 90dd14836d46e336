// SPDX-License-Identifier: Apache-2.0
// Gathers parts into writes of a few MiB, in order, and knows the position in the file that is
// being written. While one batch is written the next is made, so at most two are in memory. Parts
// may still be on their way from another thread: a batch is written once all of it is here.

import type { ByteSink } from './io.ts';
import { type Body, byteLength } from './modules.ts';

const BATCH_BYTES_MIN = 4 * 1024 * 1024;
/** Enough for each thread of a pool to have a message at work while others are made. */
const BATCH_BYTES_PER_THREAD = 8 * 1024 * 1024;

/** A sink that writes in batches; `flush` before the end. */
export class BatchedSink {
  private readonly sink: ByteSink;
  private readonly batchBytes: number;
  private batch: Body[] = [];
  private waiting = 0;
  private at = 0;
  private running: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink, threads = 0) {
    this.sink = sink;
    this.batchBytes = Math.max(BATCH_BYTES_MIN, threads * BATCH_BYTES_PER_THREAD);
  }

  /** Bytes taken so far: where the next one will be. */
  get position(): number {
    return this.at;
  }

  /** Takes parts that are here. */
  async write(parts: readonly Uint8Array[]): Promise<void> {
    await this.push(parts, byteLength(parts));
  }

  /** Takes parts that will have `length` bytes together. */
  async push(body: Body, length: number): Promise<void> {
    if (body instanceof Promise) body.catch(() => undefined);
    this.batch.push(body);
    this.waiting += length;
    this.at += length;
    if (this.waiting >= this.batchBytes) await this.turn();
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
    const batch = this.batch;
    this.batch = [];
    this.waiting = 0;
    this.running = this.drain(batch);
    this.running.catch(() => undefined);
  }

  private async drain(batch: readonly Body[]): Promise<void> {
    const parts: Uint8Array[] = [];
    for (const body of batch) {
      for (const part of body instanceof Promise ? await body : body) parts.push(part);
    }
    if (parts.length > 0) await this.sink.write(parts);
  }
}
