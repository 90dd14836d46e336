// SPDX-License-Identifier: Apache-2.0
// The codes that ledger-log throws, each as a CodedError from core; those of its store among them.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';
import type { LogStoreErrorCode } from '@cloister/log-store';

export type LedgerLogErrorCode =
  | LogStoreErrorCode
  // serving and calling
  | 'request-malformed'
  | 'request-too-large'
  | 'route-unknown'
  | 'unauthenticated'
  | 'quota-exceeded'
  | 'ledger-unreachable'
  | 'ledger-response-malformed'
  | 'ledger-refused'
  | 'internal-error';

/** A CodedError of this package. */
export function ledgerError(
  code: LedgerLogErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<LedgerLogErrorCode> {
  return new CodedError(code, kind, message, options);
}
