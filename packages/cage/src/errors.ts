// SPDX-License-Identifier: Apache-2.0
// Codes of this package.
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const cageError = errorTable({
  'cage-program-unreadable': {
    kind: 'unsupported',
    says: 'What a program needs to start cannot be found on this machine: a library, or a package.',
  },
});

export type CageErrorCode = ErrorCodeOf<typeof cageError>;
