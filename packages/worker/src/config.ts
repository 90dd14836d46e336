// SPDX-License-Identifier: Apache-2.0
// What a worker is told when it starts, besides what every attested node is: its keepers, where
// plain columns lie, and what a run may take.
import { tmpdir } from 'node:os';
import { nodeConfig, parseNodeConfig } from '@cloister/attested';
import { z } from 'zod';

const MIB = 1024 * 1024;
const PART_BYTES = 32 * MIB;
/** The largest part: padded and encrypted it must still fit a gateway's blob of 1 GiB. */
const MAX_PART_BYTES = 256 * MIB;
/** 10,000 parts of what is usual. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024 * 1024;

export const workerConfig = nodeConfig.extend({
  /** Addresses of keepers, any operators'. */
  keepers: z.array(z.string().url()).min(1).max(99),
  /** What plans and runs code; which kinds there are is known to adapters.ts. */
  engines: z
    .array(z.strictObject({ kind: z.string().max(32) }))
    .min(1)
    .max(16)
    .default([{ kind: 'duckdb' }]),
  /** Where plain columns lie while a run reads them: memory of the TEE, never a disk outside it. */
  scratch: z.string().default('/dev/shm'),
  /** Where sealed parts of a result wait until they are released: a disk, they are ciphertext. */
  spool: z.string().default(tmpdir),
  limits: z
    .strictObject({
      memoryBytes: z
        .number()
        .int()
        .min(64 * 1024 * 1024),
      threads: z.number().int().min(1).max(256),
      timeMs: z.number().int().min(100),
      outputRows: z.number().int().min(1),
      /** Of the plain result, which is never in one place whole. */
      outputBytes: z.number().int().min(1_024).max(MAX_OUTPUT_BYTES),
      /** About the most that one part of a result has. */
      partBytes: z.number().int().min(1_024).max(MAX_PART_BYTES).default(PART_BYTES),
    })
    .default({
      memoryBytes: 2 * 1024 * 1024 * 1024,
      threads: 2,
      timeMs: 600_000,
      outputRows: 1_000_000_000,
      // Padded, as much as a gateway takes of one signer at once (gateway/http/peer-routes.ts).
      outputBytes: 12 * 1024 * MIB,
      partBytes: PART_BYTES,
    }),
});

export type WorkerConfig = z.infer<typeof workerConfig>;
export type WorkerConfigInput = z.input<typeof workerConfig>;

/** @throws CodedError `config-malformed` */
export function parseWorkerConfig(value: unknown): WorkerConfig {
  return parseNodeConfig('worker', workerConfig, value);
}
