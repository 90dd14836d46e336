// SPDX-License-Identifier: Apache-2.0
// The codes of log-store: what each means and what kind of failure it is.
import { contractError } from '@cloister/contract';
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const logStoreError = errorTable({
  // appending and reading
  'event-empty': { kind: 'malformed', says: 'An event has no bytes.' },
  'event-too-large': contractError.rows['event-too-large'],
  'position-invalid': {
    kind: 'malformed',
    says: 'A position or a number of events is not one that can be asked for.',
  },
  'ledger-closed': { kind: 'unavailable', says: 'The ledger is closed here.' },
  'ledger-overloaded': {
    kind: 'unavailable',
    says: 'The ledger has as much to do as it takes on; try again shortly.',
  },
  'ledger-disk-full': {
    kind: 'unavailable',
    says: 'The disk of the ledger is full; nothing was written.',
  },
  'ledger-io-failed': {
    kind: 'unavailable',
    says: 'The ledger could not read, write or listen; see to its machine.',
  },
  'ledger-full': { kind: 'unavailable', says: 'The ledger has reached its largest size.' },
  // opening and checking
  'ledger-locked': {
    kind: 'conflict',
    says: 'The folder of the ledger is in use by another process.',
  },
  'ledger-format-unknown': {
    kind: 'unsupported',
    says: 'The folder holds no ledger of this version.',
  },
  'ledger-origin-mismatch': {
    kind: 'conflict',
    says: 'The ledger is another one than was asked for.',
  },
  'ledger-damaged': { kind: 'verification', says: 'The events on disk are not what was written.' },
  'ledger-tile-damaged': { kind: 'verification', says: 'A tile on disk differs from the events.' },
  'ledger-checkpoint-damaged': {
    kind: 'verification',
    says: 'The stored checkpoint cannot be read.',
  },
  'ledger-acknowledged-lost': {
    kind: 'verification',
    says: 'The ledger is shorter than it has told.',
  },
  'ledger-history-changed': {
    kind: 'verification',
    says: 'The ledger tells another history than before.',
  },
});

export type LogStoreErrorCode = ErrorCodeOf<typeof logStoreError>;
