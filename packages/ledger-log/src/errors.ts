// SPDX-License-Identifier: Apache-2.0
// The codes that only ledger-log throws. Others are of the store (log-store), of following a ledger
// (contract) and of requests (core).
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const ledgerError = errorTable({
  unauthenticated: {
    kind: 'usage',
    says: 'A request to the ledger carries no proof of a member: sign it.',
  },
  'quota-exceeded': {
    kind: 'unavailable',
    says: 'A member has brought more than its share; wait as long as is told.',
  },
  'ledger-response-malformed': {
    kind: 'unavailable',
    says: 'What answers is not a ledger as agreed, or lies.',
  },
  'ledger-refused': {
    kind: 'policy',
    says: 'The ledger refused for a reason of its own, which is told beside.',
  },
});

export type LedgerLogErrorCode = ErrorCodeOf<typeof ledgerError>;
