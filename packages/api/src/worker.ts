// SPDX-License-Identifier: Apache-2.0
// A worker as a proposer's gateway sees it: start a run of an approved task, and watch it.
import { ERROR_KINDS, toBase64, toHex } from '@cloister/core';
import { z } from 'zod';
import { health } from './gateway.ts';
import type { HttpJson } from './http-json.ts';

const hex = z.string().regex(/^[0-9a-f]+$/, 'wanted lower-case hexadecimal digits');

/** GET /healthz of a worker. */
export const workerHealth = health.extend({ operator: z.string(), busy: z.boolean() });

/** POST /v1/runs, signed by the proposer's identity key, with its ticket in base64. */
export const runRequest = z.object({
  task: hex.length(64),
  run: hex.length(32),
  ticket: z.string().max(2_000),
});
export const runAnswer = z.object({ run: hex.length(32) });

/** Where a run is; `phases` are milliseconds spent in each phase that has ended. */
export const runStatus = z.object({
  run: hex.length(32),
  task: hex.length(64),
  state: z.enum([
    'starting',
    'attesting',
    'joining',
    'keys',
    'reading',
    'computing',
    'recording',
    'releasing',
    'released',
    'failed',
  ]),
  /** Why it failed, with the kind of the code. */
  code: z.string().optional(),
  kind: z.enum(ERROR_KINDS).optional(),
  sentence: z.string().optional(),
  phases: z.record(z.string(), z.number()),
});

export type RunStatus = z.infer<typeof runStatus>;

export class WorkerClient {
  readonly http: HttpJson;

  constructor(http: HttpJson) {
    this.http = http;
  }

  health(): Promise<z.infer<typeof workerHealth>> {
    return this.http.json(workerHealth, { path: '/healthz', timeoutMs: 5_000 });
  }

  /** Asks for the run that the ticket names. */
  async run(asked: { task: Uint8Array; run: Uint8Array; ticket: Uint8Array }): Promise<string> {
    const { task, run, ticket } = asked;
    const json = { task: toHex(task), run: toHex(run), ticket: toBase64(ticket) };
    return (await this.http.json(runAnswer, { path: '/v1/runs', json })).run;
  }

  /** Waits up to `waitMs` for the state to differ from `known`. */
  status(run: string, options: { known?: string; waitMs?: number } = {}): Promise<RunStatus> {
    const query = `?known=${options.known ?? ''}&wait=${options.waitMs ?? 0}`;
    const timeoutMs = (options.waitMs ?? 0) + 10_000;
    return this.http.json(runStatus, { path: `/v1/runs/${run}${query}`, timeoutMs });
  }
}
