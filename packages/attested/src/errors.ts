// SPDX-License-Identifier: Apache-2.0
// Codes that every attested node adds to those of the packages it uses.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type AttestedErrorCode = 'config-malformed' | 'node-stopping' | 'timed-out';

export function attestedError(
  code: AttestedErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<AttestedErrorCode> {
  return new CodedError(code, kind, message, options);
}
