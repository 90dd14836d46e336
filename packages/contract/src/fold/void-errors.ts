// SPDX-License-Identifier: Apache-2.0
// Void codes and rights codes as errors, for who throws what the fold says, or what it would say of
// an event that is not sent yet. Most are a rule's "no"; the others are named here.
import { type ErrorKind, type ErrorRow, errorTable } from '@cloister/core';
import { thresholdError } from '@cloister/threshold';
import { RIGHTS_CODES, type RightsCode } from './rights.ts';
import { VOID_CODES } from './void-codes.ts';

const KINDS: Readonly<Partial<Record<RightsCode, ErrorKind>>> = {
  'not-a-member': 'not-found',
  'task-unknown': 'not-found',
  'run-unknown': 'not-found',
  'epoch-unknown': 'not-found',
  'epoch-forming': 'conflict',
  // Who comes early asks again.
  'roster-incomplete': 'unavailable',
};

const SENTENCES: Readonly<Record<RightsCode, string>> = { ...VOID_CODES, ...RIGHTS_CODES };

function rowOf(code: RightsCode): ErrorRow {
  return { kind: KINDS[code] ?? 'policy', says: SENTENCES[code] };
}

const rows = Object.keys(SENTENCES).map((code) => [code, rowOf(code as RightsCode)]);

/** A void code or a rights code as an error. */
export const voidError = errorTable<RightsCode>({
  ...(Object.fromEntries(rows) as Record<RightsCode, ErrorRow>),
  'reveal-other-origin': thresholdError.rows['reveal-other-origin'],
});
