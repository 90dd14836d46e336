// SPDX-License-Identifier: Apache-2.0
// Codes that a worker adds to those of the packages it uses.
import { CodedError, type ErrorKind } from '@cloister/core';

export type WorkerErrorCode =
  | 'config-malformed'
  | 'environment-mismatch'
  | 'task-unknown'
  | 'not-the-proposer'
  | 'worker-busy'
  | 'run-unknown'
  | 'join-void'
  | 'gateway-unknown'
  | 'gateway-lied'
  | 'keeper-not-holding'
  | 'keepers-too-few'
  | 'keeper-answer-malformed'
  | 'key-opening-failed'
  | 'freshness-unreachable'
  | 'quorum-missing'
  | 'owner-witness-missing'
  | 'recipient-unknown'
  | 'outputs-differ'
  | 'event-void'
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

/** A code in the form that the ledger takes; what a peer says in another form is `other`. */
export function tidyCode(said: unknown, other = 'unknown'): string {
  return typeof said === 'string' && /^[a-z][a-z0-9-]{0,63}$/.test(said) ? said : other;
}
