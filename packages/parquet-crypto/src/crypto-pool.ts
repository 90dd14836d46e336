// SPDX-License-Identifier: Apache-2.0
// Worker threads that recode runs of column chunks: a run stays with one thread, which parses its
// pages and does its AES, so that small pages gain as much as large ones. Windows go in by memory
// shared with the threads, what comes of them comes back by transfer. Threads are born with the
// first run and do not keep the process alive when idle.
//
// Invariants: a message is answered once, or the end of its thread rejects it; a thread holds a key
// only within a run; `close` ends all threads.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { toldError } from '@cloister/core';
import type { ThreadAnswer, ThreadRequest } from './crypto-thread.ts';
import type { RecodedChunk } from './recode-chunk.ts';
import type { RecodedWindow, Run } from './recode-run.ts';
import { Slabs } from './windows.ts';

/** A thread loads no source: the built file serves tests too. */
const ENTRY = new URL('../dist/crypto-thread.js', import.meta.url);

/** What comes of pages is passed on at once: more would only be garbage that is left lying. */
const YOUNG_MB_MAX = 6;

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
  /** Runs that it has. */
  runs = 0;

  constructor() {
    const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MB_MAX };
    this.worker = new Worker(ENTRY, { name: 'parquet-crypto', execArgv: [], resourceLimits });
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

/** A run that a thread is at work on. */
export class PooledRun {
  private readonly thread: PoolThread;
  private readonly run: number;
  /** Until the thread has been sent them. */
  private tasks: Run | undefined;
  private done: RecodedChunk[] | undefined;

  constructor(thread: PoolThread, run: number, tasks: Run) {
    this.thread = thread;
    this.run = run;
    this.tasks = tasks;
    thread.runs++;
  }

  /** @param last true where no window follows */
  async push(window: Uint8Array, last: boolean): Promise<RecodedWindow> {
    const { parts = [], spent = 0 } = await this.ask({ window, last });
    return { parts, spent };
  }

  /** What came of each chunk. */
  async end(): Promise<RecodedChunk[]> {
    this.thread.runs--;
    const done = this.done ?? (await this.ask({ last: true })).done;
    if (done === undefined) throw new Error('assertion failed: a run that has ended');
    return done;
  }

  /** Ends a run that has failed or is not wanted any more. */
  abandon(): void {
    this.thread.runs--;
    if (this.done === undefined) this.ask({ last: true }).catch(() => undefined);
  }

  private async ask(request: Omit<ThreadRequest, 'id' | 'run' | 'tasks'>): Promise<ThreadAnswer> {
    const { run, tasks } = this;
    this.tasks = undefined;
    const answer = checked(await this.thread.ask({ run, tasks, ...request }));
    this.done = answer.done;
    return answer;
  }
}

/** A pool of threads. Close it when done. */
export class CryptoPool {
  readonly threads: number;
  readonly slabs = new Slabs({ shared: true });
  private running: PoolThread[] = [];
  private nextRun = 0;
  private closed = false;

  /** @param threads how many; as many as there are cores where absent */
  constructor(threads: number = availableParallelism()) {
    this.threads = Math.max(1, Math.floor(threads));
  }

  /** Begins a run on the thread that has the least to do. */
  begin(run: Run): PooledRun {
    if (this.closed) throw new Error('assertion failed: a pool that is open');
    return new PooledRun(this.freest(), this.nextRun++, run);
  }

  /** Ends all threads; what they have not answered yet is rejected. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.running.map(({ worker }) => worker.terminate()));
  }

  private freest(): PoolThread {
    this.running = this.running.filter((thread) => !thread.isLost);
    const [first] = [...this.running].sort((a, b) => a.runs - b.runs);
    if (first !== undefined && (first.runs === 0 || this.running.length === this.threads)) {
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
  if (coded !== undefined) throw toldError(coded, coded);
  if (fault !== undefined) throw fault;
  return answer;
}
