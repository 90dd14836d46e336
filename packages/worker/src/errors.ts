// SPDX-License-Identifier: Apache-2.0
// Codes that a worker adds to those of the packages it uses.
import { CodedError, type ErrorKind } from '@cloister/core';

export type WorkerErrorCode =
  | 'task-unknown'
  | 'not-the-proposer'
  | 'worker-busy'
  | 'run-unknown'
  | 'gateway-unknown'
  | 'keeper-not-holding'
  | 'keepers-too-few'
  | 'keeper-answer-malformed'
  | 'key-opening-failed'
  | 'freshness-unreachable'
  | 'recipient-unknown'
  | 'outputs-differ'
  | 'run-failed';

export function workerError(
  code: WorkerErrorCode,
  kind: ErrorKind,
  message: string,
  options: ConstructorParameters<typeof CodedError>[3] = {},
): CodedError<WorkerErrorCode> {
  return new CodedError(code, kind, message, options);
}
