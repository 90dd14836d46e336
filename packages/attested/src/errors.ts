// SPDX-License-Identifier: Apache-2.0
// Codes that every attested node adds to those of the packages it uses.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type AttestedErrorCode =
  | 'config-malformed'
  | 'environment-mismatch'
  | 'event-void'
  | 'gateway-lied'
  | 'join-void'
  | 'node-stopping'
  | 'owner-witness-missing'
  | 'quorum-missing'
  | 'timed-out';

export function attestedError(
  code: AttestedErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<AttestedErrorCode> {
  return new CodedError(code, kind, message, options);
}

/** A code in the form that the ledger takes; what a peer says in another form is `other`. */
export function tidyCode(said: unknown, other = 'unknown'): string {
  return typeof said === 'string' && /^[a-z][a-z0-9-]{0,63}$/.test(said) ? said : other;
}
