// SPDX-License-Identifier: Apache-2.0
// How a text file is written, as its owner says it: in a request, and in the file that is kept
// beside the data (spec/dataset.md, Dialects). What is not said is found by looking at the data.
import { issueSentence } from '@cloister/core';
import { z } from 'zod';
import { apiError } from './errors.ts';

/** Encodings of text by the names that are taken. */
export const ENCODINGS = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'iso-8859-1',
  'windows-1252',
  'iso-8859-2',
  'iso-8859-15',
  'windows-1250',
  'windows-1251',
  'gb18030',
  'shift_jis',
] as const;

const error = (wanted: string) => ({ error: `wanted ${wanted}` });
const text = (most: number, wanted: string) =>
  z.string(error(wanted)).min(1, error(wanted)).max(most, error(wanted));

/** Every part may be left out; null says that there is none. */
export const dialect = z
  .strictObject({
    /** One character. */
    delimiter: text(1, 'one character'),
    quote: text(1, 'one character, or null where nothing is quoted').nullable(),
    /** Whether the first row names the columns. */
    header: z.boolean(error('true or false')),
    /** Bare fields that are absent values, beside the empty one. */
    null: z
      .array(z.string(error('texts')).max(100, error('at most 100 characters')), error('a list'))
      .max(20, error('at most 20 texts')),
    encoding: z.enum(ENCODINGS, error(`one of ${ENCODINGS.join(', ')}`)),
    decimal: z.enum(['.', ','], error('"." or ","')),
    thousands: text(1, 'one character, or null where nothing is between thousands').nullable(),
    /** Ways of writing days and times, in the letters of strftime. */
    dateFormat: z
      .array(text(60, 'forms of 1 to 60 characters'), error('a list'))
      .max(10, error('at most 10 forms')),
    /** The zone of times that name none: UTC, +02:00 or a name like Europe/Berlin. */
    zone: text(60, 'a zone, or null where times have none').nullable(),
  })
  .partial();

/** The parts that may be said, in the order in which they are shown. */
export const DIALECT_PARTS = Object.keys(dialect.shape) as readonly (keyof Dialect)[];

/** What is said of a dialect. */
export type Dialect = z.infer<typeof dialect>;

/** The option of the command line that says a part. */
export function dialectOption(part: keyof Dialect): string {
  return `--${part.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * What `value` says of a dialect; `where` names its place in a message.
 * @throws CodedError `dialect-malformed`
 */
export function parseDialect(value: unknown, where: string): Dialect {
  const parsed = dialect.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const known = DIALECT_PARTS.join(', ');
  const what =
    issue?.code === 'unrecognized_keys'
      ? `there is no ${issue.keys.join(', ')}: wanted parts of ${known}`
      : issue === undefined || issue.path.length === 0
        ? `wanted an object with parts of ${known}`
        : `${issue.path.join('.')}: ${issueSentence(issue)}`;
  throw apiError('dialect-malformed', `${where}: ${what}`);
}
