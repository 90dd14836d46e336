// SPDX-License-Identifier: Apache-2.0
// Codes that a worker adds to those of the packages it uses.
import { CodedError, type ErrorKind } from '@cloister/core';

export type WorkerErrorCode =
  | 'config-malformed'
  | 'environment-mismatch'
  | 'not-the-proposer'
  | 'worker-busy'
  | 'run-unknown'
  | 'join-void'
  | 'gateway-unknown'
  | 'keepers-too-few'
  | 'keeper-answer-malformed'
  | 'key-opening-failed'
  | 'freshness-unreachable'
  | 'uses-differ'
  | 'policy-refused'
  | 'column-not-granted'
  | 'event-void'
  | 'receipt-missing'
  | 'run-failed'
  | 'timed-out';

export function workerError(
  code: WorkerErrorCode,
  kind: ErrorKind,
  message: string,
  options: ConstructorParameters<typeof CodedError>[3] = {},
): CodedError<WorkerErrorCode> {
  return new CodedError(code, kind, message, options);
}
