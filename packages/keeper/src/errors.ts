// SPDX-License-Identifier: Apache-2.0
// The codes that a keeper adds to those of the packages it uses. A refusal that reaches the ledger
// carries the code alone; what the caller reads is a sentence that names no column and no value.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type KeeperErrorCode =
  // its own life
  | 'join-rejected'
  | 'event-rejected'
  // asking it to open
  | 'keeper-not-holding'
  | 'challenge-unknown'
  | 'challenges-too-many'
  | 'freshness-notes-differ'
  | 'join-unknown'
  | 'join-not-worker'
  | 'open-other-key'
  | 'open-unanswered'
  | 'run-not-open'
  | 'roster-incomplete'
  | 'ledger-moved'
  | 'run-expired'
  | 'evidence-expired'
  | 'appraisal-failed'
  | 'policy-refused';

export function keeperError(
  code: KeeperErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<KeeperErrorCode> {
  return new CodedError(code, kind, message, options);
}
