// SPDX-License-Identifier: Apache-2.0
// Codes that every attested node adds to those of the packages it uses, and those that its roles
// have in common.
import { contractError } from '@cloister/contract';
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const attestedError = errorTable({
  // its own life
  'config-malformed': { kind: 'malformed', says: 'The configuration of a node has not its form.' },
  'environment-mismatch': { kind: 'policy', says: 'The charter has no place for such a node.' },
  'node-stopping': { kind: 'unavailable', says: 'The node is stopping; ask another.' },
  'timed-out': { kind: 'unavailable', says: 'Something took longer than it may; try again.' },
  // the ledger and its gateways
  'join-void': {
    kind: 'policy',
    says: 'The ledger holds the join void; the void code is told beside.',
  },
  'event-void': contractError.rows['event-void'],
  'gateway-refused': {
    kind: 'unavailable',
    says: 'A gateway does not take an event; another one is asked.',
  },
  'gateway-lied': {
    kind: 'unavailable',
    says: 'A gateway said something of the ledger that is not so.',
  },
  'quorum-missing': {
    kind: 'unavailable',
    says: 'Too few witnesses have signed the head; try again when more answer.',
  },
  // opening
  'keeper-not-holding': {
    kind: 'unavailable',
    says: 'A keeper holds no share of the epoch in force.',
  },
  'owner-witness-missing': {
    kind: 'policy',
    says: 'The owner of an input has no witness in the charter, so nothing opens.',
  },
});

export type AttestedErrorCode = ErrorCodeOf<typeof attestedError>;

/** A code in the form that the ledger takes; what a peer says in another form is `other`. */
export function tidyCode(said: unknown, other = 'unknown'): string {
  return typeof said === 'string' && /^[a-z][a-z0-9-]{0,63}$/.test(said) ? said : other;
}
