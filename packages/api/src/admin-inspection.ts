// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that says what a file holds, before anything is made of it.
import { z } from 'zod';
import { dialect } from './dialect.ts';
import { count, hex } from './fields.ts';

/** What whoever adds a file should look at in a column. */
export const columnWarning = z.object({
  /** Its kind, one of a fixed list. */
  kind: z.string(),
  column: z.string(),
  /** A sentence that names the column and counts rows. */
  says: z.string(),
  /** What a warning of this kind means, whatever the column. */
  means: z.string(),
  /** Whether something is cut or kept as text: what --strict refuses. */
  inexact: z.boolean(),
});

/** Values of each column that may be asked for. */
export const SAMPLES_MAX = 20;

/** What an upload was found to hold, before anything is written. */
export const inspection = z.object({
  upload: hex(16),
  format: z.string(),
  rows: count,
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      nulls: count,
      /** Some values, each once, long ones cut: where they were asked for. */
      samples: z.array(z.string()).optional(),
    }),
  ),
  warnings: z.array(columnWarning),
  /** How a text was read: what was said and what was found; null of Parquet. */
  dialect: dialect.nullable(),
  byteOrderMark: z.boolean(),
});

export type Inspection = z.infer<typeof inspection>;
