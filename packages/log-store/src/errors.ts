// SPDX-License-Identifier: Apache-2.0
// The codes that log-store throws, each as a CodedError from core.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type LogStoreErrorCode =
  // appending and reading
  | 'event-empty'
  | 'event-too-large'
  | 'position-invalid'
  | 'ledger-closed'
  | 'ledger-overloaded'
  | 'ledger-disk-full'
  | 'ledger-io-failed'
  | 'ledger-full'
  // opening and checking
  | 'ledger-locked'
  | 'ledger-format-unknown'
  | 'ledger-origin-mismatch'
  | 'ledger-damaged'
  | 'ledger-tile-damaged'
  | 'ledger-checkpoint-damaged'
  | 'ledger-acknowledged-lost'
  | 'ledger-history-changed';

/** A CodedError of this package. */
export function logStoreError(
  code: LogStoreErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<LogStoreErrorCode> {
  return new CodedError(code, kind, message, options);
}
