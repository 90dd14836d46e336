// SPDX-License-Identifier: Apache-2.0
// What whoever adds a dataset should look at: the kinds of remarks about a column, and in a line
// what each means and what can be done. A remark names columns and counts rows, never a value.

/** By kind, what it means. */
export const REMARK_MEANS = {
  'leading-zeros':
    'a number would lose its zeros, so 007 and 7 would be one; text keeps codes like these apart',
  codes: 'numbers like 1E10 and 10E9 would be one value; text keeps them apart',
  'two-forms': 'as numbers 1.5 and 1.50 would be one value; text keeps every digit as written',
  'too-long': 'no type of number has so many digits; text keeps all of them',
  'time-forms': 'as times, ways of writing one moment would be one value; text keeps them apart',
  'time-digits': 'times keep six digits of a second; text keeps all',
  'zone-gap':
    'clocks are put on and back there, so no single moment is meant; text keeps the clock',
  'unknown-marks':
    'a mark inside the numbers may divide thousands or decimals; once said, they are numbers',
  'day-like': 'which part is day and which is month is not certain; once said, they are days',
  'absent-spelled':
    'NA and the like may be absent values or texts; once said, the column has its type',
  'two-formats': 'two of the forms that were said read the same text as different days',
  'not-all-days': 'some texts have none of the forms that were said, so not all can be days',
  'mixed-kinds': 'as texts the number 1 and the text "1" are one value; write them in one way',
  'only-spellings':
    'nothing else is in the column, so its type is not known; once said, it is empty',
  'no-value': 'every value is absent, so the type is a guess; choose one if values will come later',
  'lost-characters':
    'a program before put a sign in the place of letters that it could not read; they are gone',
  instants: 'the moment is kept and its offset is not: 10:00+02:00 becomes 08:00 in UTC',
  'empty-texts': 'an empty text is no value of this type, so it becomes an absent value',
  'padded-name': 'the spaces are a part of the name: policies and SQL have to write them',
  'nanoseconds-cut': 'moments are kept to the microsecond; the digits behind it are dropped',
} as const;

export type RemarkKind = keyof typeof REMARK_MEANS;

/** A remark about a column. */
export interface ColumnRemark {
  readonly kind: RemarkKind;
  readonly column: string;
  /** Names the column, never a value. */
  readonly says: string;
  /** Whether something would be cut or kept as text: what --strict refuses. */
  readonly inexact: boolean;
  /** Whether choosing its type answers it. */
  readonly untilChosen: boolean;
}
