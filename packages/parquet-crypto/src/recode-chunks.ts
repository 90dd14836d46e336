// SPDX-License-Identifier: Apache-2.0
// Recodes many column chunks, in order, on this thread or on all threads of a pool. Runs of chunks
// behind the one whose turn it is are begun ahead of it, and hold what came of them until their
// turn.
//
// Invariants: parts come out in the order of the tasks; memory is bounded by AHEAD_BYTES_MAX for
// each run that was begun, whatever the sizes of chunks (or by one page, where it is larger);
// when one fails the others are stopped and waited for.
import type { ChunkTask } from './chunk-task.ts';
import { type CryptoPool, PooledRun } from './crypto-pool.ts';
import type { RecodedChunk } from './recode-chunk.ts';
import { extentOf, type Run, RunRecoder, runsOf } from './recode-run.ts';
import type { CheckedSource } from './sources-and-sinks.ts';
import { readWindows, Slabs } from './windows.ts';

/** What a run that is not yet due may hold: most runs are smaller. */
const AHEAD_BYTES_MAX = 32 * 1024 * 1024;
/** On one thread it is enough that the next runs are being read. */
const AHEAD_BYTES_MAX_ALONE = 4 * 1024 * 1024;

export interface RecodeOptions {
  readonly pool: CryptoPool | undefined;
  /** Takes what came of the chunks, in order. */
  readonly take: (parts: Uint8Array[]) => Promise<void>;
  /** Called after the last part of each chunk, in order. */
  readonly done: (chunk: RecodedChunk) => void;
}

/**
 * Recodes the chunks of `count` tasks; a task is asked for when its turn comes near.
 * @throws CodedError what reading and recoding give, the earliest chunk's
 */
export async function recodeChunks(
  source: CheckedSource,
  count: number,
  task: (i: number) => ChunkTask,
  { pool, take, done }: RecodeOptions,
): Promise<void> {
  // Enough that no thread waits for its next run, and that a source far away is kept busy.
  const atOnce = pool === undefined ? 3 : pool.threads + 1;
  // What a source answers may be its own to keep: only what it reads into ours is used again.
  const reads = source.readsInto ? new Slabs({ shared: false }) : undefined;
  const where: Where = { source, pool, slabs: pool?.slabs ?? reads };
  const runs = runsOf(count, task);
  const begun: RunAhead[] = [];
  try {
    for (;;) {
      while (begun.length < atOnce) {
        const run = runs.next();
        if (run.done === true) break;
        begun.push(new RunAhead(run.value, where));
      }
      const [run] = begun;
      if (run === undefined) return;
      for (let parts = await run.next(); parts !== undefined; parts = await run.next()) {
        await take(parts);
      }
      for (const chunk of await run.recoded) done(chunk);
      begun.shift();
    }
  } finally {
    await Promise.all(begun.map((run) => run.stop()));
  }
}

/** Where chunks come from, who works on them, and the memory between. */
interface Where {
  readonly source: CheckedSource;
  readonly pool: CryptoPool | undefined;
  readonly slabs: Slabs | undefined;
}

/** A run that has been begun and is worked on by itself. */
class RunAhead {
  /** What came of its chunks, once it is done. */
  readonly recoded: Promise<RecodedChunk[]>;
  private readonly ready: Uint8Array[][] = [];
  private held = 0;
  private ended = false;
  private stopped = false;
  /** Set while one side waits for the other; there is one of each. */
  private wakeReader: (() => void) | undefined;
  private wakeMaker: (() => void) | undefined;

  constructor(run: Run, where: Where) {
    this.recoded = this.work(run, where).finally(() => {
      this.ended = true;
      this.wakeReader?.();
    });
    this.recoded.catch(() => undefined);
  }

  /** The next parts; undefined where there will be no more, for a reason that `recoded` says. */
  async next(): Promise<Uint8Array[] | undefined> {
    while (this.ready.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wakeReader = resolve;
      });
    }
    const parts = this.ready.shift();
    for (const part of parts ?? []) this.held -= part.length;
    this.wakeMaker?.();
    return parts;
  }

  /** Ends the work; settles when it has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wakeMaker?.();
    await this.recoded.catch(() => undefined);
  }

  private async work(run: Run, { source, pool, slabs }: Where): Promise<RecodedChunk[]> {
    const inUse: Uint8Array[] = [];
    const recoder = pool === undefined ? new RunRecoder(run) : pool.begin(run);
    const max = pool === undefined ? AHEAD_BYTES_MAX_ALONE : AHEAD_BYTES_MAX;
    try {
      for await (const { bytes, last, slab } of readWindows(source, extentOf(run), slabs)) {
        if (slab !== undefined) inUse.push(slab);
        const { parts, spent } = await recoder.push(bytes, last);
        for (const free of inUse.splice(0, spent)) slabs?.give(free);
        await this.offer(parts, max);
        if (this.stopped) throw new Error('stopped: another chunk failed');
      }
    } catch (error) {
      if (recoder instanceof PooledRun) recoder.abandon();
      throw error;
    }
    return await recoder.end();
  }

  private async offer(parts: Uint8Array[], max: number): Promise<void> {
    if (parts.length === 0) return;
    this.ready.push(parts);
    for (const part of parts) this.held += part.length;
    this.wakeReader?.();
    while (this.held > max && !this.stopped) {
      await new Promise<void>((resolve) => {
        this.wakeMaker = resolve;
      });
    }
  }
}
