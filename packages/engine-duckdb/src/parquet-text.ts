// SPDX-License-Identifier: Apache-2.0
// A plain Parquet file that somebody else may have made, as CSV or JSON lines: by a child of its
// own with the limits and the locks of a run, which knows this file and the one that it writes.
// Whatever is wrong with the file costs that child and a coded error; the engine's words stay
// inside.
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EngineChild } from './child-process.ts';
import { engineError } from './errors.ts';

export interface TextRequest {
  /** Plain Parquet. */
  readonly file: string;
  /** Where the text goes; nothing is there yet. */
  readonly out: string;
  /** CSV with a header line, or one JSON object a line. */
  readonly format: 'csv' | 'json';
}

export interface TextLimits {
  readonly memoryBytes: number;
  /** The longest text. */
  readonly textBytes: number;
  readonly timeMs: number;
}

const THREADS = 1;

/**
 * Writes the text of a Parquet file; what was begun is removed when it fails.
 * @throws CodedError `engine-text-failed`, `engine-start-failed`
 */
export async function parquetAsText(request: TextRequest, limits: TextLimits): Promise<void> {
  const { memoryBytes, textBytes: fileBytes, timeMs } = limits;
  const [file, out] = [resolve(request.file), resolve(request.out)];
  const cpuSeconds = Math.ceil(timeMs / 1_000) + 30;
  const child = await EngineChild.start({ memoryBytes, threads: THREADS, fileBytes, cpuSeconds });
  try {
    const settings = { memoryBytes, threads: THREADS, allowed: [file, out] };
    const asked = { op: 'text', file, out, format: request.format, ...settings };
    const answer = await child.ask(asked, timeMs);
    if (answer !== undefined && 'ok' in answer) return;
    await rm(out, { force: true });
    const message =
      `the Parquet file gives no text within ${memoryBytes / 2 ** 20} MiB of memory, ` +
      `${fileBytes / 2 ** 20} MiB of text and ${timeMs / 1_000} s: it is damaged, or too large`;
    throw engineError('engine-text-failed', message);
  } finally {
    await child.kill();
  }
}
