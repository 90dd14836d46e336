// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that takes long: an upload that is inspected, and the work that makes a
// dataset of uploads. Both are started by one request and followed by others that wait a little, so
// that no request lasts as long as the work does.
import { z } from 'zod';
import { datasetAnswer } from './admin.ts';
import { inspection } from './admin-inspection.ts';
import { errorBody } from './errors.ts';
import { count, hex } from './fields.ts';

/**
 * POST /admin/v1/uploads?name= (the file as the body) and GET /admin/v1/uploads/:upload?wait: how
 * many rows have been read so far, and what was inferred once all are; a file that is refused is
 * answered with its error.
 */
export const uploadStatus = z.object({
  upload: hex(16),
  rows: count,
  inspection: inspection.nullable(),
});

/** States in order; `added` and `failed` are ends. */
export const DATASET_JOB_STATES = [
  'queued',
  'converting',
  'encrypting',
  'checking',
  'comparing',
  'storing',
  'recording',
  'added',
  'failed',
] as const;

/**
 * POST /admin/v1/datasets and GET /admin/v1/datasets/jobs/:job?known&wait. The id of the work is
 * that of the dataset it makes.
 */
export const datasetJob = z.object({
  job: hex(16),
  name: z.string(),
  state: z.enum(DATASET_JOB_STATES),
  /** When it was asked for, in ms. */
  began: count,
  /** Which file the state is about, from 1; 0 where it is about all. */
  file: count,
  files: count,
  /** How much of the state's work on that file is done, where that is known. */
  progress: z
    .object({ done: count, of: count, unit: z.enum(['column chunks', 'rows', 'bytes']) })
    .nullable(),
  /** Why it failed: what a request would have been answered with. */
  error: errorBody.shape.error.nullable(),
  /** The dataset and its place on the ledger, once it is added. */
  added: datasetAnswer.nullable(),
});

export type UploadStatus = z.infer<typeof uploadStatus>;
export type DatasetJob = z.infer<typeof datasetJob>;
