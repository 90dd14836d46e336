// SPDX-License-Identifier: Apache-2.0
// Small column chunks that lie side by side are read, recoded and passed on together: a read costs
// as much as the AES of a small page. A run is one chunk of any size, or several in one window.

import { Parts } from './byte-parts.ts';
import type { ChunkTask } from './chunk-task.ts';
import { ChunkRecoder, type RecodedChunk } from './recode-chunk.ts';

/** Chunks of one run: no more bytes together, unless it is one chunk, and no more chunks. */
const RUN_BYTES_MAX = 1024 * 1024;
const RUN_CHUNKS_MAX = 64;

/** The tasks of a run, each beginning where the one before it ends. */
export type Run = readonly [ChunkTask, ...ChunkTask[]];

/** Divides `count` tasks into runs; a task is asked for when its run is. */
export function* runsOf(count: number, task: (i: number) => ChunkTask): Generator<Run> {
  let run: [ChunkTask, ...ChunkTask[]] | undefined;
  for (let i = 0; i < count; i++) {
    const next = task(i);
    if (run !== undefined && continues(run, next)) {
      run.push(next);
      continue;
    }
    if (run !== undefined) yield run;
    run = [next];
  }
  if (run !== undefined) yield run;
}

function continues(run: Run, next: ChunkTask): boolean {
  if (run.length === RUN_CHUNKS_MAX || next.start !== extentOf(run).end) return false;
  return next.end - run[0].start <= RUN_BYTES_MAX;
}

/** Where a run is in the source, and a name for errors. */
export function extentOf(run: Run): { name: string; start: number; end: number } {
  const [{ name, start }] = run;
  return { name, start, end: run[run.length - 1]?.end ?? start };
}

/** What came of one window. */
export interface RecodedWindow {
  readonly parts: Uint8Array[];
  /** Windows, from the oldest, that are not needed any more. */
  readonly spent: number;
}

/** Recodes one run: `push` for each window of it in order, then `end`. */
export class RunRecoder {
  private readonly run: Run;
  private readonly parts = new Parts();
  private readonly first: ChunkRecoder;
  private readonly done: RecodedChunk[] = [];

  constructor(run: Run) {
    this.run = run;
    this.first = new ChunkRecoder(run[0], this.parts);
  }

  /** @throws CodedError `tag-invalid`, `parquet-truncated` and what malformed bytes give */
  push(window: Uint8Array): RecodedWindow {
    const { run, parts } = this;
    if (run.length === 1) {
      const spent = this.first.push(window);
      return { spent, parts: parts.drain() };
    }
    for (const task of run) {
      const recoder = task === run[0] ? this.first : new ChunkRecoder(task, parts);
      recoder.push(window.subarray(task.start - run[0].start, task.end - run[0].start));
      this.done.push(recoder.end());
    }
    return { spent: 1, parts: parts.drain() };
  }

  /** What came of each chunk. @throws CodedError `parquet-truncated`, `parquet-malformed` */
  end(): RecodedChunk[] {
    const { run, parts, done } = this;
    if (run.length === 1) return [this.first.end()];
    // Chunks without bytes have no window.
    return done.length > 0 ? done : run.map((task) => new ChunkRecoder(task, parts).end());
  }
}
