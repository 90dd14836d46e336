// SPDX-License-Identifier: Apache-2.0
// What a worker is told when it starts, as JSON over its launcher's channel. Nothing in it is
// secret, and only the genesis is believed: the charter must hash to it, the rest is on the ledger.
import { z } from 'zod';
import { workerError } from './errors.ts';

const address = z.string().url();
/** The longest result: padded and encrypted it must still fit a gateway's blob of 1 GiB. */
const MAX_OUTPUT_BYTES = 768 * 1024 * 1024;

export const workerConfig = z.strictObject({
  /** For logs and the issuer claim of its events. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  genesis: z.string().regex(/^[0-9a-f]{64}$/),
  /** The first charter's payload, base64: its SHA-256 is the genesis. */
  charter: z.string(),
  operator: z.string(),
  environment: z.string(),
  /** Addresses of the members' gateways: q of their witnesses must be among them. */
  gateways: z.array(address).min(1).max(200),
  keepers: z.array(address).min(1).max(99),
  host: z.string().default('127.0.0.1'),
  /** 0: any free port. */
  port: z.number().int().min(0).max(65_535).default(0),
  /** Where plain columns lie while a run reads them: memory of the TEE, never a disk outside it. */
  scratch: z.string().default('/dev/shm'),
  limits: z
    .strictObject({
      memoryBytes: z
        .number()
        .int()
        .min(64 * 1024 * 1024),
      threads: z.number().int().min(1).max(256),
      timeMs: z.number().int().min(100),
      outputRows: z.number().int().min(1),
      /** Of the engine's result file; the sealed result is held in memory. */
      outputBytes: z.number().int().min(1_024).max(MAX_OUTPUT_BYTES),
    })
    .default({
      memoryBytes: 2 * 1024 * 1024 * 1024,
      threads: 2,
      timeMs: 600_000,
      outputRows: 10_000_000,
      outputBytes: MAX_OUTPUT_BYTES,
    }),
  /** Milliseconds to wait for checkpoints, receipts and peers. */
  patienceMs: z.number().int().min(100).max(600_000).default(60_000),
});

export type WorkerConfig = z.infer<typeof workerConfig>;
export type WorkerConfigInput = z.input<typeof workerConfig>;

/** @throws CodedError `config-malformed` */
export function parseWorkerConfig(value: unknown): WorkerConfig {
  const parsed = workerConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  const message = `the worker's configuration is wrong at '${where}': ${issue?.message ?? ''}`;
  throw workerError('config-malformed', 'malformed', message);
}
