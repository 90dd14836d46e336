// SPDX-License-Identifier: Apache-2.0
// How a text file is written, as its owner says it: in a request, and in the file that is kept
// beside the data (spec/dataset.md, Dialects). What is not said is found by looking at the data.
import { z } from 'zod';

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

/** What a text file was read by, all of it: `decimal` is null where nothing shows which it is. */
export const takenDialect = z.object({
  delimiter: z.string(),
  quote: z.string().nullable(),
  header: z.boolean(),
  null: z.array(z.string()),
  encoding: z.enum(ENCODINGS),
  decimal: z.enum(['.', ',']).nullable(),
  thousands: z.string().nullable(),
  dateFormat: z.array(z.string()),
  zone: z.string().nullable(),
});

export type TakenDialect = z.infer<typeof takenDialect>;
