// SPDX-License-Identifier: Apache-2.0
// What the judge says when the answer is no: whose column, which rule, a stable code, a sentence
// for a person and the smallest grant that would unblock it. Codes go on the ledger; sentences and
// grants name columns and stay with members.

import { type CodedError, coreError, type ErrorCodeOf, errorTable } from '@cloister/core';
import { contractError } from '../errors.ts';

/** Why a use is refused; where a refusal must be thrown, it carries one of these. */
export const findingError = errorTable({
  'column-hidden': {
    kind: 'policy',
    says: 'A column is hidden from this task; its owner must grant a rule.',
  },
  'rows-hidden': { kind: 'policy', says: 'Every column of a dataset is hidden from this task.' },
  'subject-shown': {
    kind: 'policy',
    says: 'A subject column is shown, filtered or computed; it may be joined on only.',
  },
  'join-not-subject': {
    kind: 'policy',
    says: "A subject column meets something other than another dataset's subject.",
  },
  'join-without-minimum': {
    kind: 'policy',
    says: 'A column is joined on, and its policy names no smallest group.',
  },
  'join-row-by-row': {
    kind: 'policy',
    says: 'A join shows row by row who is in both datasets; it must end in groups.',
  },
  'aggregate-row-by-row': {
    kind: 'policy',
    says: 'A column that may leave only as an aggregate is shown row by row.',
  },
  'aggregate-nested': {
    kind: 'policy',
    says: 'A column needs one plain SELECT with GROUP BY, and the statement has more.',
  },
  'aggregate-function': {
    kind: 'policy',
    says: 'An aggregate function over a column is not granted.',
  },
  'aggregate-not-bare': {
    kind: 'policy',
    says: 'A column is aggregated inside an expression, not as it is.',
  },
  'grouping-not-listed': {
    kind: 'policy',
    says: 'A column is grouped or shown in a form that its owner does not list.',
  },
  'filter-not-revealed': {
    kind: 'policy',
    says: 'Rows are chosen by a column that is not revealed.',
  },
  'no-subject': {
    kind: 'policy',
    says: 'Distinct subjects must be counted, and no subject column is granted.',
  },
  'column-unknown': coreError.rows['column-unknown'],
  'input-unknown': { kind: 'policy', says: 'The uses name an input that the task does not have.' },
  'uses-incomplete': {
    kind: 'policy',
    says: 'The uses do not say how the rows of an input are treated.',
  },
});

export type FindingCode = ErrorCodeOf<typeof findingError>;

/** The refusal of a task by the first finding. */
export function refusedBy(findings: readonly Finding[], message: string): CodedError {
  const [first] = findings;
  return first === undefined
    ? contractError('policy-refused', message)
    : findingError(first.code, message);
}

/** A change to one column's rules that would allow the use; nothing smaller would. */
export type Grant =
  | { readonly column: string; readonly rule: 'subject' | 'reveal' }
  | {
      readonly column: string;
      readonly rule: 'aggregate';
      readonly functions: readonly string[];
      readonly groupings: readonly string[];
    }
  | { readonly k: 'needed' };

/** One reason why a task may not run as it is. */
export interface Finding {
  /** Position of the statement in the code, from 0. */
  readonly statement: number;
  readonly input: number;
  /** Column id; 0 for the input's rows. */
  readonly column: number;
  /** The rule that blocks. */
  readonly rule: 'hidden' | 'subject' | 'aggregate' | 'reveal' | 'k';
  readonly code: FindingCode;
  /** For a person; names columns, so for members only. */
  readonly sentence: string;
  /** Absent when no grant helps and the code must change. */
  readonly unblock?: Grant;
}
