// SPDX-License-Identifier: Apache-2.0
// Worker threads that recode column chunks: a chunk stays with one thread, which parses its pages
// and does its AES, so that small pages gain as much as large ones. Windows go in by memory shared
// with the threads, what comes of them comes back by transfer. Threads are born with the first
// chunk and do not keep the process alive when idle.
//
// Invariants: a message is answered once, or the end of its thread rejects it; a thread holds a key
// only within a chunk; `close` ends all threads.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CodedError } from '@cloister/core';
import type { ChunkTask } from './chunk-task.ts';
import type { ThreadAnswer, ThreadRequest } from './crypto-thread.ts';
import type { RecodedChunk, RecodedWindow } from './recode-chunk.ts';
import { Slabs } from './windows.ts';

/** A thread loads no source: the built file serves tests too. */
const ENTRY = new URL('../dist/crypto-thread.js', import.meta.url);

interface Waiting {
  readonly resolve: (answer: ThreadAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread, and what it has not answered yet. */
class PoolThread {
  readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private lost: unknown;
  /** Chunks that it has. */
  chunks = 0;

  constructor() {
    this.worker = new Worker(ENTRY, { name: 'parquet-crypto', execArgv: [] });
    this.worker.on('message', (answer: ThreadAnswer) => {
      const asked = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if (this.waiting.size === 0) this.worker.unref();
      asked?.resolve(answer);
    });
    this.worker.on('error', (error) => this.lose(error));
    this.worker.on('exit', () => this.lose(new Error('a thread of the crypto pool has ended')));
    this.worker.unref();
  }

  get isLost(): boolean {
    return this.lost !== undefined;
  }

  ask(request: Omit<ThreadRequest, 'id'>): Promise<ThreadAnswer> {
    if (this.lost !== undefined) return Promise.reject(this.lost);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.ref();
      this.worker.postMessage({ id, ...request });
    });
  }

  private lose(error: unknown): void {
    this.lost ??= error;
    for (const { reject } of this.waiting.values()) reject(this.lost);
    this.waiting.clear();
  }
}

/** A chunk that a thread is at work on. */
export class PooledChunk {
  private readonly thread: PoolThread;
  private readonly chunk: number;
  /** Until the thread has been sent it. */
  private task: ChunkTask | undefined;
  private done: RecodedChunk | undefined;

  constructor(thread: PoolThread, chunk: number, task: ChunkTask) {
    this.thread = thread;
    this.chunk = chunk;
    this.task = task;
    thread.chunks++;
  }

  /** @param last true where no window follows */
  async push(window: Uint8Array, last: boolean): Promise<RecodedWindow> {
    const { parts = [], spent = 0 } = await this.ask({ window, last });
    return { parts, spent };
  }

  /** What came of the chunk. */
  async end(): Promise<RecodedChunk> {
    this.thread.chunks--;
    const done = this.done ?? (await this.ask({ last: true })).done;
    if (done === undefined) throw new Error('assertion failed: a chunk that has ended');
    return done;
  }

  /** Ends a chunk that has failed or is not wanted any more. */
  abandon(): void {
    this.thread.chunks--;
    if (this.done === undefined) this.ask({ last: true }).catch(() => undefined);
  }

  private async ask(request: Pick<ThreadRequest, 'window' | 'last'>): Promise<ThreadAnswer> {
    const { chunk, task } = this;
    this.task = undefined;
    const answer = checked(await this.thread.ask({ chunk, task, ...request }));
    this.done = answer.done;
    return answer;
  }
}

/** A pool of threads. Close it when done. */
export class CryptoPool {
  readonly threads: number;
  readonly slabs = new Slabs();
  private running: PoolThread[] = [];
  private nextChunk = 0;
  private closed = false;

  /** @param threads how many; as many as there are cores where absent */
  constructor(threads: number = availableParallelism()) {
    this.threads = Math.max(1, Math.floor(threads));
  }

  /** Begins a chunk on the thread that has the least to do. */
  begin(task: ChunkTask): PooledChunk {
    if (this.closed) throw new Error('assertion failed: a pool that is open');
    return new PooledChunk(this.freest(), this.nextChunk++, task);
  }

  /** Ends all threads; what they have not answered yet is rejected. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.running.map(({ worker }) => worker.terminate()));
  }

  private freest(): PoolThread {
    this.running = this.running.filter((thread) => !thread.isLost);
    const [first] = [...this.running].sort((a, b) => a.chunks - b.chunks);
    if (first !== undefined && (first.chunks === 0 || this.running.length === this.threads)) {
      return first;
    }
    const thread = new PoolThread();
    this.running.push(thread);
    return thread;
  }
}

/** The answer, or its error thrown as the thread threw it. */
function checked(answer: ThreadAnswer): ThreadAnswer {
  const { coded, fault } = answer;
  if (coded !== undefined) throw new CodedError(coded.code, coded.kind, coded.message, coded);
  if (fault !== undefined) throw fault;
  return answer;
}
