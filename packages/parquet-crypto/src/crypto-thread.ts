// SPDX-License-Identifier: Apache-2.0
// What a thread of the pool runs: chunks, each a recoder of its own, fed window by window.
import type { TransferListItem } from 'node:worker_threads';
import { parentPort } from 'node:worker_threads';
import { type ErrorDetails, type ErrorKind, isCoded } from '@cloister/core';
import type { ChunkTask } from './chunk-task.ts';
import { ChunkRecoder, type RecodedChunk } from './recode-chunk.ts';

/** With a task a chunk begins, with a window it goes on, with neither it ends. */
export interface ThreadRequest {
  readonly id: number;
  readonly chunk: number;
  readonly task?: ChunkTask;
  readonly window?: Uint8Array;
}

/** One answer a request. */
export interface ThreadAnswer {
  readonly id: number;
  readonly parts?: Uint8Array[];
  readonly spent?: number;
  readonly done?: RecodedChunk;
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

const chunks = new Map<number, ChunkRecoder>();

function answer({ chunk, task, window }: ThreadRequest): Omit<ThreadAnswer, 'id'> {
  if (task !== undefined) {
    chunks.set(chunk, new ChunkRecoder(task));
    return {};
  }
  const recoder = chunks.get(chunk);
  if (recoder === undefined) throw new Error('assertion failed: a chunk that has begun');
  if (window !== undefined) return recoder.push(window);
  chunks.delete(chunk);
  return { done: recoder.end() };
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
