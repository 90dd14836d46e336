// SPDX-License-Identifier: Apache-2.0
// The codes of tlog: what each means and what kind of failure it is.
import { coreError, type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const tlogError = errorTable({
  // Merkle trees and proofs
  'tree-position-invalid': {
    kind: 'malformed',
    says: 'A size or an index is not within the tree.',
  },
  'proof-malformed': coreError.rows['proof-malformed'],
  'inclusion-proof-invalid': {
    kind: 'verification',
    says: 'The leaf is not in the tree at that index.',
  },
  'consistency-proof-invalid': {
    kind: 'verification',
    says: 'The larger tree does not begin with the smaller: history has been changed.',
  },
  // tiles and entry bundles
  'tile-path-malformed': { kind: 'malformed', says: 'A path names no tile.' },
  'tile-malformed': { kind: 'malformed', says: 'A tile has another length than its width.' },
  'tile-not-found': {
    kind: 'not-found',
    says: 'The store of tiles lacks a tile that the tree has.',
  },
  'tile-inconsistent': {
    kind: 'verification',
    says: 'Tiles do not add up to the root that is proved to.',
  },
  'entry-too-large': { kind: 'malformed', says: 'An entry is longer than a bundle can say.' },
  'bundle-malformed': { kind: 'malformed', says: 'Bytes are not a bundle of entries.' },
  // notes, checkpoints, cosignatures
  'note-malformed': { kind: 'malformed', says: 'Text is not a signed note.' },
  'key-name-malformed': {
    kind: 'malformed',
    says: 'A key of a note has a name that notes cannot carry.',
  },
  'checkpoint-malformed': { kind: 'malformed', says: 'Text is not a checkpoint.' },
  'checkpoint-origin-mismatch': {
    kind: 'verification',
    says: 'A checkpoint is of another ledger.',
  },
  'cosignature-malformed': { kind: 'malformed', says: 'A cosignature has not its form.' },
  'cosignature-invalid': {
    kind: 'verification',
    says: 'A cosignature does not hold under the key of its witness.',
  },
  'cosignature-duplicate': { kind: 'verification', says: 'A witness has signed one note twice.' },
  'quorum-not-met': {
    kind: 'verification',
    says: 'Fewer witnesses have signed than the quorum; ask more of them.',
  },
  'required-witness-missing': {
    kind: 'verification',
    says: 'A witness that must have signed has not.',
  },
  'witness-set-invalid': { kind: 'usage', says: 'A set of witnesses contradicts itself.' },
  // freshness
  'freshness-malformed': { kind: 'malformed', says: 'Text is not a freshness note.' },
  'freshness-genesis-mismatch': {
    kind: 'verification',
    says: 'A freshness note is of another tenancy.',
  },
  'freshness-challenge-missing': {
    kind: 'verification',
    says: 'The witnesses signed without the challenge: the note may be old.',
  },
  // a witness's own state
  'witness-state-missing': {
    kind: 'not-found',
    says: 'A witness does not know what it has signed; it must not sign again.',
  },
  'witness-state-exists': {
    kind: 'conflict',
    says: 'A witness that has signed before is set up anew.',
  },
  'witness-state-corrupt': {
    kind: 'verification',
    says: 'What a witness has signed cannot be read back; it must not sign.',
  },
  'witness-store-failed': {
    kind: 'unavailable',
    says: 'The state of a witness could not be written, so nothing was signed.',
  },
});

export type TlogErrorCode = ErrorCodeOf<typeof tlogError>;
