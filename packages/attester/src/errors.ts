// SPDX-License-Identifier: Apache-2.0
// The stable codes of this package.
import { CodedError, type ErrorKind } from '@cloister/core';

export type AttesterErrorCode =
  | 'launcher-absent'
  | 'launcher-lost'
  | 'launcher-protocol'
  | 'launcher-timeout'
  | 'program-unreadable'
  | 'make-unknown'
  | 'node-start-failed'
  | 'quote-refused'
  | 'join-refused';

export function attesterError(
  code: AttesterErrorCode,
  kind: ErrorKind,
  message: string,
  cause?: unknown,
): CodedError<AttesterErrorCode> {
  return new CodedError(code, kind, message, cause === undefined ? {} : { cause });
}
