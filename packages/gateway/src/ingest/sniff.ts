// SPDX-License-Identifier: Apache-2.0
// How a CSV file is written, found in its first megabyte where its owner does not say it. What can
// be read in two ways is refused with the option that says which; what nothing shows is as RFC 4180
// has it. Whatever is found here is shown before anything is made of it.
import { open } from 'node:fs/promises';
import { isCoded } from '@cloister/core';
import { CsvScanner, type Field } from './csv.ts';
import type { Detected } from './detect.ts';
import { checkSaid, saidOf } from './dialect/check-said.ts';
import { type Dialect, PLAIN, type Said } from './dialect/dialect.ts';
import { looselyDecoded } from './dialect/encoding.ts';
import { isMarked } from './dialect/marks.ts';
import { ingestError } from './errors.ts';
import { SPELLINGS } from './infer.ts';

const HEAD_BYTES = 1 << 20;
const DELIMITERS: readonly string[] = [',', ';', '\t', '|'];
const QUOTES: readonly string[] = ['"', "'"];
const NUMBER_LIKE = /^[-+]?[\d.,]+$/;
const TIME_LIKE = /^\d{4}-\d\d-\d\d(?:[ T].*)?$/;

/** All of the dialect; absent values that are spelled are found in the whole file, not here. */
export async function sniff(path: string, detected: Detected, said: Said): Promise<Dialect> {
  const known = withoutAbsent(said);
  const base = { ...PLAIN, ...known, encoding: detected.encoding };
  if (detected.format !== 'csv') return base;
  const { text, whole } = await readHead(path, detected);
  if (/^"?sep=.?"?\r?\n/i.test(text)) {
    const message = 'the first line is a spreadsheet\'s "sep=" hint: remove it';
    throw ingestError('csv-header-suspicious', message);
  }
  const { delimiter, quote, rows } = divide(text, whole, said);
  if (said.header === undefined) checkHeader(rows[0] ?? []);
  const decimal = said.decimal ?? decimalOf(rows, delimiter, said);
  const found = { ...base, delimiter, quote, decimal };
  // What was said may not go with what was found.
  checkSaid(saidOf(found, 'csv'), 'csv');
  return found;
}

type Fields = readonly Field[];

/** The head in rows. */
interface Divided {
  readonly delimiter: string;
  readonly quote: string | null;
  readonly rows: readonly Fields[];
}

/** What is left out is not said. */
function withoutAbsent(said: Said): Partial<Dialect> {
  const parts = Object.entries(said).filter(([, value]) => value !== undefined);
  return Object.fromEntries(parts) as Partial<Dialect>;
}

async function readHead(
  path: string,
  { bytes, encoding }: Detected,
): Promise<{ text: string; whole: boolean }> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(HEAD_BYTES, bytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const text = looselyDecoded(buffer.subarray(0, bytesRead), encoding);
    return { text, whole: bytesRead === bytes };
  } finally {
    await file.close();
  }
}

/** @throws CodedError `dialect-ambiguous` */
function divide(text: string, whole: boolean, said: Said): Divided {
  const delimiters = said.delimiter === undefined ? DELIMITERS : [said.delimiter];
  const quotes = said.quote === undefined ? QUOTES : [said.quote];
  for (const quote of quotes) {
    const fits = delimiters
      .filter((delimiter) => delimiter !== quote)
      .map((delimiter) => ({ delimiter, quote, rows: rowsOf(text, whole, { delimiter, quote }) }))
      .filter(({ rows }) => (rows?.[0]?.length ?? 0) > 1)
      // Another quote than the usual one must be there.
      .filter(({ rows }) => quote === quotes[0] || rows?.flat().some(({ quoted }) => quoted));
    if (fits.length > 1) throw ambiguous(fits as Divided[]);
    if (fits[0] !== undefined) return fits[0] as Divided;
  }
  const quote = quotes[0] as string | null;
  const delimiter = said.delimiter ?? mostFrequent(text);
  return { delimiter, quote, rows: rowsOf(text, whole, { delimiter, quote }) ?? [] };
}

/** The rows of the head, or undefined where they are not of one width, or no rows. */
function rowsOf(
  text: string,
  whole: boolean,
  marks: Omit<Divided, 'rows'>,
): readonly Fields[] | undefined {
  const rows: Fields[] = [];
  let ragged = false;
  const scanner = new CsvScanner(marks, (fields) => {
    if (fields.length === 1 && fields[0]?.text === '') return;
    ragged ||= rows.length > 0 && fields.length !== rows[0]?.length;
    if (!ragged) rows.push(fields);
  });
  try {
    scanner.push(text);
    if (whole) scanner.end();
  } catch (error) {
    if (!isCoded(error)) throw error;
    return undefined;
  }
  return ragged ? undefined : rows;
}

function ambiguous(fits: readonly Divided[]): Error {
  const ways = fits.map(
    ({ delimiter, rows: [row] }) => `${shown(delimiter)} (${row?.length} fields)`,
  );
  const message = `${ways.join(' and ')} divide every row alike: say which with --delimiter`;
  return ingestError('dialect-ambiguous', message);
}

function shown(delimiter: string): string {
  return delimiter === '\t' ? 'tabs' : `"${delimiter}"`;
}

/** The delimiter that the first line uses outside quotes most often; a comma when none does. */
function mostFrequent(text: string): string {
  const counts = new Map<string, number>(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let quoted = false;
  for (const char of text) {
    if (char === '"') quoted = !quoted;
    else if (!quoted && (char === '\n' || char === '\r')) break;
    else if (!quoted && counts.has(char)) counts.set(char, (counts.get(char) as number) + 1);
  }
  return DELIMITERS.reduce((best, delimiter) =>
    (counts.get(delimiter) as number) > (counts.get(best) as number) ? delimiter : best,
  );
}

/** @throws CodedError `csv-header-suspicious` */
function checkHeader(first: Fields): void {
  if (first.length === 0) return;
  if (first.some(({ text }) => !NUMBER_LIKE.test(text) && !TIME_LIKE.test(text))) return;
  const message =
    'the first row holds only numbers or times: is it data? --header no says so, ' +
    '--header yes that these are names';
  throw ingestError('csv-header-suspicious', message);
}

const GROUPED_POINT = /^-?[1-9]\d{0,2}(?:\.\d{3})+$/;
const GROUPED_COMMA = /^-?[1-9]\d{0,2}(?:,\d{3})+$/;
const POINT = /^-?(?:\d*|\d{1,3}(?:,\d{3})+)\.\d+(?:[eE][+-]?\d+)?$/;
const COMMA = /^-?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?$/;

/**
 * The decimal mark that the columns of numbers show in the head, where they show one only; null
 * where thousands may be told apart by it instead: a point in all of them, a comma in one. Beside
 * commas as delimiters it is a point. What stands among texts shows nothing.
 */
function decimalOf(rows: readonly Fields[], delimiter: string, said: Said): Dialect['decimal'] {
  const { thousands, header } = said;
  if (thousands === '.') return ',';
  if (delimiter === ',' || thousands === ',') return '.';
  const data = header === false ? rows : rows.slice(1);
  const shown = new Set<Shown>();
  for (let column = 0; column < (data[0]?.length ?? 0); column++) {
    const texts = data.map((row) => row[column]?.text ?? '').filter((text) => text !== '');
    const plain = thousands == null ? texts : texts.map((text) => text.replaceAll(thousands, ''));
    const isSpelled = (text: string) => SPELLINGS.has(text);
    if (plain.every((text) => isMarked(text) || isSpelled(text))) shown.add(shownBy(plain));
  }
  if (shown.has('point')) return '.';
  const unclear = shown.has('comma')
    ? shown.has('comma-or-thousands')
    : shown.has('point-or-thousands');
  if (unclear && thousands === undefined) return null;
  return shown.has('comma') ? ',' : '.';
}

type Shown = 'point' | 'comma' | 'point-or-thousands' | 'comma-or-thousands' | 'nothing';

function shownBy(numbers: readonly string[]): Shown {
  const some = (pattern: RegExp, but?: RegExp) =>
    numbers.some((text) => pattern.test(text) && but?.test(text) !== true);
  if (some(POINT, GROUPED_POINT)) return 'point';
  if (some(COMMA, GROUPED_COMMA)) return 'comma';
  if (some(GROUPED_POINT)) return 'point-or-thousands';
  return some(GROUPED_COMMA) ? 'comma-or-thousands' : 'nothing';
}
