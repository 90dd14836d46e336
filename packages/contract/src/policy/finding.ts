// SPDX-License-Identifier: Apache-2.0
// What the judge says when the answer is no: whose column, which rule, a stable code, a sentence
// for a person and the smallest grant that would unblock it. Codes go on the ledger; sentences and
// grants name columns and stay with members.

/** Why a use is refused. */
export type FindingCode =
  | 'column-hidden'
  | 'rows-hidden'
  | 'subject-shown'
  | 'join-not-subject'
  | 'join-without-minimum'
  | 'join-row-by-row'
  | 'aggregate-row-by-row'
  | 'aggregate-nested'
  | 'aggregate-function'
  | 'aggregate-not-bare'
  | 'grouping-not-listed'
  | 'filter-not-revealed'
  | 'no-subject'
  | 'column-unknown'
  | 'input-unknown'
  | 'uses-incomplete';

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
