// SPDX-License-Identifier: Apache-2.0
// Worker threads for large modules: the calling thread parses and orders, the pool does AES. Work
// goes in by memory shared with the workers (one copy) and comes back by transfer (none). Workers
// are born with the first large module and do not keep the process alive when idle.
//
// Invariants: a job is answered once, or its pool's failure rejects it; a worker holds a key only
// within a job; `close` ends all workers.

import type { KeyObject } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** One module for a worker. */
export interface PoolJob {
  readonly sealing: boolean;
  readonly cipher: string;
  readonly key: KeyObject;
  readonly iv: Uint8Array;
  /** Absent for CTR. */
  readonly aad?: Uint8Array;
  /** The tag to check, when opening under GCM. */
  readonly tag?: Uint8Array;
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

/** Output, and the tag that sealing under GCM gives; undefined where a tag does not hold. */
export type PoolAnswer = { readonly parts: Uint8Array[]; readonly tag?: Uint8Array } | undefined;

interface Waiting {
  readonly job: PoolJob;
  readonly resolve: (answer: PoolAnswer) => void;
  readonly reject: (error: unknown) => void;
  /** The input, where workers see it. */
  readonly slab: SharedArrayBuffer;
}

const SLAB_BYTES_MIN = 1024 * 1024;

class PoolWorker {
  readonly worker: Worker;
  /** Jobs sent and not yet answered, and their bytes. */
  readonly running = new Map<number, Waiting>();
  load = 0;

  constructor(worker: Worker) {
    this.worker = worker;
  }
}

/** A pool of worker threads. Close it when done. */
export class CryptoPool {
  readonly threads: number;
  private readonly workers: PoolWorker[] = [];
  private slabs: SharedArrayBuffer[] = [];
  private nextId = 0;
  private closed = false;

  /** @param threads how many workers; all cores where absent */
  constructor(threads: number = availableParallelism()) {
    this.threads = Math.max(1, Math.floor(threads));
  }

  /** Runs one job on a worker. Its input is copied before this returns. */
  run(job: PoolJob): Promise<PoolAnswer> {
    if (this.closed) return Promise.reject(new Error('assertion failed: a pool that is open'));
    const slab = this.slabOf(job.length);
    const input = new Uint8Array(slab, 0, job.length);
    let at = 0;
    for (const part of job.parts) {
      input.set(part, at);
      at += part.length;
    }
    const worker = this.freest();
    const id = this.nextId++;
    const { parts: _, length, ...rest } = job;
    return new Promise((resolve, reject) => {
      worker.running.set(id, { job, slab, resolve, reject });
      worker.load += length;
      worker.worker.ref();
      worker.worker.postMessage({ id, ...rest, input });
    });
  }

  /** Ends all workers; jobs that are not answered yet are rejected. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.workers.map(({ worker }) => worker.terminate()));
  }

  /** A new worker while there may be more, else the one with the least to do. */
  private freest(): PoolWorker {
    let best: PoolWorker | undefined;
    for (const worker of this.workers) {
      if (best === undefined || worker.load < best.load) best = worker;
    }
    const busy = best === undefined || best.load > 0;
    if (best === undefined || (busy && this.workers.length < this.threads)) return this.spawn();
    return best;
  }

  private spawn(): PoolWorker {
    const source = `(${workerMain.toString()})(require)`;
    const made = new PoolWorker(new Worker(source, { eval: true, name: 'parquet-crypto' }));
    made.worker.on('message', ({ id, answer }: { id: number; answer: PoolAnswer }) => {
      const waiting = made.running.get(id);
      if (waiting === undefined) return;
      made.running.delete(id);
      made.load -= waiting.job.length;
      this.slabs.push(waiting.slab);
      if (made.running.size === 0) made.worker.unref();
      waiting.resolve(answer);
    });
    const lost = (error: unknown): void => {
      const at = this.workers.indexOf(made);
      if (at >= 0) this.workers.splice(at, 1);
      const waiting = [...made.running.values()];
      made.running.clear();
      for (const { reject } of waiting) reject(error);
    };
    made.worker.on('error', lost);
    made.worker.on('exit', () => {
      lost(new Error('a thread of the crypto pool ended before its pages were done'));
    });
    this.workers.push(made);
    return made;
  }

  private slabOf(length: number): SharedArrayBuffer {
    const at = this.slabs.findIndex((slab) => slab.byteLength >= length);
    const [found] = at < 0 ? [] : this.slabs.splice(at, 1);
    if (found !== undefined) return found;
    // None is large enough: those that are too small for today's pages are let go.
    this.slabs = [];
    const size = Math.max(SLAB_BYTES_MIN, 2 ** Math.ceil(Math.log2(Math.max(1, length))));
    return new SharedArrayBuffer(size);
  }
}

interface WorkerJob {
  readonly id: number;
  readonly sealing: boolean;
  readonly cipher: string;
  readonly key: KeyObject;
  readonly iv: Uint8Array;
  readonly aad?: Uint8Array;
  readonly tag?: Uint8Array;
  readonly input: Uint8Array;
}

/**
 * What a worker runs. It is sent as text, so that no file has to be found at run time; it refers to
 * nothing outside itself.
 */
function workerMain(require: NodeJS.Require): void {
  const { parentPort } = require('node:worker_threads');
  const { createCipheriv, createDecipheriv } = require('node:crypto');
  const PIECE_BYTES = 256 * 1024;
  const work = (job: WorkerJob): { parts: Uint8Array[]; tag?: Uint8Array } | undefined => {
    const { sealing, cipher, key, iv, aad, tag, input } = job;
    const options = aad === undefined ? undefined : { authTagLength: 16 };
    const run = (sealing ? createCipheriv : createDecipheriv)(cipher, key, iv, options);
    if (aad !== undefined) run.setAAD(aad);
    if (tag !== undefined) run.setAuthTag(tag);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < input.length; at += PIECE_BYTES) {
      parts.push(run.update(input.subarray(at, at + PIECE_BYTES)));
    }
    try {
      run.final();
    } catch {
      return undefined;
    }
    return sealing && aad !== undefined ? { parts, tag: run.getAuthTag() } : { parts };
  };
  parentPort.on('message', (job: WorkerJob) => {
    const answer = work(job);
    const transfer = answer?.parts.map((part) => part.buffer) ?? [];
    parentPort.postMessage({ id: job.id, answer }, transfer);
  });
}
