// SPDX-License-Identifier: Apache-2.0
// The codes that tlog throws, each as a CodedError from core.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type TlogErrorCode =
  // Merkle trees and proofs
  | 'tree-position-invalid'
  | 'proof-malformed'
  | 'inclusion-proof-invalid'
  | 'consistency-proof-invalid'
  // tiles and entry bundles
  | 'tile-path-malformed'
  | 'tile-malformed'
  | 'tile-not-found'
  | 'tile-inconsistent'
  | 'entry-too-large'
  | 'bundle-malformed'
  // notes, checkpoints, cosignatures
  | 'note-malformed'
  | 'key-name-malformed'
  | 'checkpoint-malformed'
  | 'checkpoint-origin-mismatch'
  | 'cosignature-malformed'
  | 'cosignature-invalid'
  | 'cosignature-duplicate'
  | 'quorum-not-met'
  | 'required-witness-missing'
  | 'witness-set-invalid'
  // freshness
  | 'freshness-malformed'
  | 'freshness-genesis-mismatch'
  | 'freshness-challenge-missing'
  // a witness's own state
  | 'witness-state-missing'
  | 'witness-state-exists'
  | 'witness-state-corrupt'
  | 'witness-store-failed';

/** A CodedError of this package. */
export function tlogError(
  code: TlogErrorCode,
  kind: ErrorKind,
  message: string,
  options: { cause?: unknown; details?: ErrorDetails } = {},
): CodedError<TlogErrorCode> {
  return new CodedError(code, kind, message, options);
}
