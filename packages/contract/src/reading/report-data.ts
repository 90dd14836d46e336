// SPDX-License-Identifier: Apache-2.0
// Report data: what a node's evidence binds. A hash of deterministic CBOR over the genesis, the
// node's role and task, its three keys and the checkpoint it began from, so that evidence for one
// charter, task, run or key is worth nothing for another. SHA-512 fills 64-byte fields; SHA-256
// where a kind carries 32 bytes. spec/report-data.md.
import { type CryptoPort, encodeCbor } from '@cloister/core';
import type { Said } from '../events/bodies.ts';

export const REPORT_DATA_DOMAIN = 'cloister/report-data/v1';

/** What report data is computed from: a join's body, the genesis and the node's signing key. */
export interface ReportDataInput {
  readonly genesis: Uint8Array;
  /** Raw Ed25519 key that signs the join and all the node's later events. */
  readonly signing: Uint8Array;
  readonly join: Omit<Said<'join'>, 'evidence' | 'hardware'>;
}

/** The bytes that are hashed. */
export function encodeReportData(input: ReportDataInput): Uint8Array {
  const { join } = input;
  return encodeCbor([
    REPORT_DATA_DOMAIN,
    input.genesis,
    join.charter,
    join.role,
    join.environment,
    join.task ?? null,
    join.run ?? null,
    join.operator,
    join.measurement,
    join.tls,
    join.hpke,
    input.signing,
    join.checkpoint,
    join.place ?? null,
  ]);
}

/** Report data of `length` bytes: 64 (SHA-512) or 32 (SHA-256). */
export function reportData(
  input: ReportDataInput,
  length: 32 | 64,
  crypto: CryptoPort,
): Uint8Array {
  return crypto.digest(length === 64 ? 'sha512' : 'sha256', encodeReportData(input));
}
