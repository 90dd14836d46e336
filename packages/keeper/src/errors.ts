// SPDX-License-Identifier: Apache-2.0
// The codes that a keeper adds to those of the packages it uses. A refusal that reaches the ledger
// carries the code alone; what the caller reads is a sentence that names no column and no value.
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const keeperError = errorTable({
  'challenge-unknown': {
    kind: 'verification',
    says: 'The freshness note has no challenge that this keeper drew, or an old one.',
  },
  'challenges-too-many': {
    kind: 'unavailable',
    says: 'The keeper has drawn as many challenges as it keeps; try again.',
  },
  'freshness-notes-differ': {
    kind: 'verification',
    says: 'The witnesses signed different heads or challenges.',
  },
  'open-other-keeper': {
    kind: 'policy',
    says: 'The request is for another keeper; a keeper answers those that name its own join.',
  },
  'open-other-key': { kind: 'policy', says: 'Only the key of a join asks for what it opens.' },
  'open-unanswered': {
    kind: 'not-found',
    says: 'Nothing was answered to this join in this epoch.',
  },
  'ledger-moved': {
    kind: 'unavailable',
    says: 'An epoch or a dataset was replaced meanwhile; ask again.',
  },
  'run-expired': {
    kind: 'policy',
    says: "The grants or the time of the run have ended by the witnesses' clock.",
  },
  'evidence-expired': {
    kind: 'verification',
    says: "The evidence of a node of the run has ended by the witnesses' clock.",
  },
});

export type KeeperErrorCode = ErrorCodeOf<typeof keeperError>;
