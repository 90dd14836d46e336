// SPDX-License-Identifier: Apache-2.0
// The stable codes of this package. Callers match on them; messages may change.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type ThresholdErrorCode =
  // bytes that do not parse
  | 'point-malformed'
  | 'point-not-on-curve'
  | 'point-infinity'
  | 'scalar-out-of-range'
  | 'label-malformed'
  | 'sealed-key-malformed'
  | 'reveal-malformed'
  | 'deal-malformed'
  | 'complaint-malformed'
  | 'proof-malformed'
  // proofs, signatures, digests and tags that do not hold
  | 'pi-invalid'
  | 'pok-invalid'
  | 'commit-mismatch'
  | 'deal-signature-invalid'
  | 'deal-invalid'
  | 'group-key-infinity'
  | 'opening-tag-invalid'
  | 'opening-infinity'
  | 'hpke-open-failed'
  // right in itself, but of something else
  | 'reveal-other-charter'
  | 'reveal-other-epoch'
  | 'reveal-other-seat'
  | 'reveal-other-threshold'
  | 'reveal-other-origin'
  | 'reshare-constant'
  | 'reshare-group-key'
  | 'reveals-incomplete'
  | 'deal-other-context'
  | 'complaint-not-opened'
  | 'complaint-dleq-invalid'
  | 'deals-incomplete'
  | 'label-other-charter'
  | 'label-other-key'
  // what the caller asked cannot be done
  | 'seat-duplicate'
  | 'seat-out-of-range'
  | 'threshold-out-of-range'
  | 'partials-too-few'
  | 'argument-invalid'
  | 'random-exhausted'
  | 'secret-wiped'
  | 'secret-not-serialisable';

/** A CodedError with one of this package's codes. */
export function thresholdError(
  code: ThresholdErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<ThresholdErrorCode> {
  return new CodedError(code, kind, message, options);
}
