// SPDX-License-Identifier: Apache-2.0
// A text as a value of a type, in the engine's SQL: what its dialect means, in code that shares
// nothing with what our own reader does (dialect/, compare/). Where the two differ, comparing what
// was sealed finds it. A text that is no value of the type becomes an absent value or an error.
import type { Dialect } from './dialect/dialect.ts';
import { literal } from './duck.ts';

/** How the texts of a column are read. */
export interface TextForm extends Pick<Dialect, 'decimal' | 'thousands' | 'zone'> {
  /** The form of --date-format that its texts have. */
  readonly dateFormat?: string | undefined;
}

/** The value of `text`, an SQL expression, in the type. */
export function engineValue(text: string, type: string, form: TextForm): string {
  if (/INT|^FLOAT$|^DOUBLE$|^DECIMAL/.test(type)) return number(text, type, form);
  if (/^(?:DATE|TIMESTAMP)/.test(type) && form.dateFormat !== undefined) {
    return formatted(text, type, form);
  }
  return type === 'TIMESTAMP WITH TIME ZONE' ? instant(text, form) : `CAST(${text} AS ${type})`;
}

/**
 * A value of one type as one of another. Bytes as text are the text that they are in UTF-8, none
 * where they are not: the engine's cast would write those beyond ASCII as escapes.
 */
export function engineCast(value: string, from: string, to: string): string {
  if (from === 'BLOB' && to === 'VARCHAR') return `decode(${value})`;
  return from === 'VARCHAR' && to === 'BLOB' ? `encode(${value})` : `CAST(${value} AS ${to})`;
}

function number(text: string, type: string, { decimal, thousands }: TextForm): string {
  if (decimal === '.' && thousands === null) return `CAST(${text} AS ${type})`;
  const mark = decimal === null ? '' : `(?:${regex(decimal)}[0-9]+)?`;
  const group = thousands === null ? '' : `|[0-9]{1,3}(?:${regex(thousands)}[0-9]{3})+`;
  const whole = `-?(?:[0-9]+${group})?${mark}(?:[eE][+-]?[0-9]+)?`;
  const bare = thousands === null ? text : `replace(${text}, ${literal(thousands)}, '')`;
  const plain = decimal === ',' ? `replace(${bare}, ',', '.')` : bare;
  const matches = `regexp_full_match(${text}, ${literal(whole)})`;
  return `CASE WHEN ${matches} THEN CAST(${plain} AS ${type}) END`;
}

/** A character of a regular expression of RE2. */
function regex(char: string): string {
  return /[\w ']/.test(char) ? char : `\\x{${char.charCodeAt(0).toString(16)}}`;
}

function formatted(text: string, type: string, { dateFormat = '', zone }: TextForm): string {
  const parsed = `strptime(${text}, ${literal(dateFormat)})`;
  const local = type === 'TIMESTAMP WITH TIME ZONE' && !dateFormat.includes('%z');
  return local ? inZone(parsed, zone) : `CAST(${parsed} AS ${type})`;
}

const OFFSET = ':[0-9]{2}(?:[.][0-9]+)? ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)$';

/** The engine wants seconds where there is an offset, no space before it, and no word. */
function instant(text: string, { zone }: TextForm): string {
  const offset = `regexp_replace(${text}, ' ?(?:UTC|Z)$', '+00')`;
  const tight = `regexp_replace(${offset}, ' ([+-][0-9:]+)$', '\\1')`;
  const seconds = `regexp_replace(${tight}, '^(.{10}[T ][0-9:]{5})([+-])', '\\1:00\\2')`;
  const cast = (value: string) => `CAST(${value} AS TIMESTAMP WITH TIME ZONE)`;
  const zoned = `COALESCE(TRY_${cast(text)}, ${cast(seconds)})`;
  if (zone === null) return zoned;
  const local = inZone(`CAST(${text} AS TIMESTAMP)`, zone);
  return `CASE WHEN regexp_matches(${text}, '${OFFSET}') THEN ${zoned} ELSE ${local} END`;
}

/** A local time as an instant; where no zone is named it is UTC, as the engine is set. */
function inZone(time: string, zone: string | null): string {
  const fixed = /^([+-])(\d\d):?(\d\d)$/.exec(zone ?? 'UTC');
  if (fixed === null) return `timezone(${literal(zone ?? 'UTC')}, ${time})`;
  const [, sign, hours, minutes] = fixed;
  const shift = `INTERVAL '${hours} hours ${minutes} minutes'`;
  return `timezone('UTC', ${time} ${sign === '-' ? '+' : '-'} ${shift})`;
}
