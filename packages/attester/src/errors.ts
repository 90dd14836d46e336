// SPDX-License-Identifier: Apache-2.0
// The stable codes of this package.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type AttesterErrorCode =
  | 'launcher-absent'
  | 'launcher-lost'
  | 'launcher-protocol'
  | 'launcher-timeout'
  | 'program-unreadable'
  | 'make-unknown'
  | 'node-start-failed'
  | 'quote-refused'
  | 'quote-mismatch'
  | 'join-refused'
  | 'tpm-address-malformed'
  | 'tpm-unavailable'
  | 'tpm-timeout'
  | 'tpm-response-malformed'
  | 'tpm-refused'
  | 'tpm-no-certificate'
  | 'tpm-key-mismatch'
  | 'tpm-activation-failed'
  | 'tpm-registers-changed'
  | 'tpm-software-missing'
  | 'tpm-software-failed'
  | 'tsm-unavailable'
  | 'tsm-provider-unsupported'
  | 'tsm-refused'
  | 'tsm-raced'
  | 'nsm-unavailable'
  | 'nsm-timeout'
  | 'nsm-refused'
  | 'nsm-response-malformed';

export function attesterError(
  code: AttesterErrorCode,
  kind: ErrorKind,
  message: string,
  cause?: unknown,
  details?: ErrorDetails,
): CodedError<AttesterErrorCode> {
  return new CodedError(code, kind, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(details === undefined ? {} : { details }),
  });
}
