// SPDX-License-Identifier: Apache-2.0
// What a thread of the pool does: runs of chunks, each a recoder of its own, fed window by window.
import type { TransferListItem } from 'node:worker_threads';
import { parentPort } from 'node:worker_threads';
import { type ErrorDetails, type ErrorKind, isCoded } from '@cloister/core';
import type { RecodedChunk } from './recode-chunk.ts';
import { type Run, RunRecoder } from './recode-run.ts';

/** The first request for a run has its tasks; most runs are one window and one request. */
export interface ThreadRequest {
  readonly id: number;
  readonly run: number;
  readonly tasks?: Run | undefined;
  readonly window?: Uint8Array;
  /** True where no window follows. */
  readonly last: boolean;
}

/** One answer a request. */
export interface ThreadAnswer {
  readonly id: number;
  readonly parts?: Uint8Array[];
  readonly spent?: number;
  readonly done?: RecodedChunk[];
  /** A CodedError, taken apart: an error's own fields do not cross threads. */
  readonly coded?: {
    readonly code: string;
    readonly kind: ErrorKind;
    readonly message: string;
    readonly details: ErrorDetails;
  };
  /** Any other error. */
  readonly fault?: unknown;
}

const runs = new Map<number, RunRecoder>();

function answer(request: ThreadRequest): Omit<ThreadAnswer, 'id'> {
  const { run, tasks, window, last } = request;
  const recoder = tasks === undefined ? runs.get(run) : new RunRecoder(tasks);
  if (recoder === undefined) throw new Error('assertion failed: a run that has begun');
  if (last) runs.delete(run);
  else runs.set(run, recoder);
  const recoded = window === undefined ? {} : recoder.push(window);
  return last ? { ...recoded, done: recoder.end() } : recoded;
}

function answerOrError(request: ThreadRequest): Omit<ThreadAnswer, 'id'> {
  try {
    return answer(request);
  } catch (error) {
    if (!isCoded(error)) return { fault: error };
    const { code, kind, message, details } = error;
    return { coded: { code, kind, message, details } };
  }
}

parentPort?.on('message', (request: ThreadRequest) => {
  const said = answerOrError(request);
  const buffers = new Set(said.parts?.map((part) => part.buffer as ArrayBuffer));
  parentPort?.postMessage({ id: request.id, ...said }, [...buffers] as TransferListItem[]);
});
