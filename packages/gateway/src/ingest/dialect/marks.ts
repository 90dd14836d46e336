// SPDX-License-Identifier: Apache-2.0
// Numbers as other places write them, as plain ones: digits and a point. A text that does not keep
// to the marks of its file is no number; none is guessed.
import type { Dialect } from './dialect.ts';

export type Marks = Pick<Dialect, 'decimal' | 'thousands'>;

/** A number in digits and a point, and whether thousands are told apart in it. */
export interface PlainNumber {
  readonly plain: string;
  /** Whether it has marks between thousands, or should have them; undefined for short ones. */
  readonly grouped?: boolean;
}

/** How a file's numbers become plain. */
export type ToPlain = (text: string) => PlainNumber | undefined;

/**
 * Answers undefined for a text that is no number with these marks; not all that it answers is one.
 * There is no function where numbers are plain as they are.
 */
export function toPlain({ decimal, thousands }: Marks): ToPlain | undefined {
  if (decimal === null) return (text) => (/[.,]/.test(text) ? undefined : { plain: text });
  if (decimal === '.' && thousands === null) return undefined;
  const mark = escaped(decimal);
  const group = thousands === null ? '' : `|\\d{1,3}(?:${escaped(thousands)}\\d{3})+`;
  const number = new RegExp(`^(-?)(\\d+${group})?(?:${mark}(\\d+))?([eE][+-]?\\d{1,6})?$`);
  return (text) => {
    const match = number.exec(text);
    if (match === null) return undefined;
    const [, sign = '', whole = '', fraction, power = ''] = match;
    const digits = thousands === null ? whole : whole.replaceAll(thousands, '');
    const plain = `${sign}${digits}${fraction === undefined ? '' : `.${fraction}`}${power}`;
    if (thousands === null || digits.length < 4) return { plain };
    return { plain, grouped: digits !== whole };
  };
}

export function escaped(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** Texts that are numbers by some marks, whichever they are; plain ones among them. */
const EXPONENT = '(?:[eE][+-]?\\d{1,6})?$';
const MARKED = [
  '\\d*[.,]?\\d+',
  '\\d+[.,]',
  '\\d{1,3}(?:\\.\\d{3})+(?:,\\d+)?',
  '\\d{1,3}(?:,\\d{3})+(?:\\.\\d+)?',
  "\\d{1,3}(?:([ '_\\u00a0\\u2019\\u202f])\\d{3})(?:\\1\\d{3})*(?:[.,]\\d+)?",
].map((source) => new RegExp(`^-?${source}${EXPONENT}`));

/** Whether the text may be a number whose marks are not those of the file. */
export function isMarked(text: string): boolean {
  return MARKED.some((pattern) => pattern.test(text));
}
