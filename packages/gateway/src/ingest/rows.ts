// SPDX-License-Identifier: Apache-2.0
// Rows of a text file, CSV or JSON lines alike: named columns, one cell for each column and row.
// A cell keeps the text that it has in the file, an absent one too, and numbers their marks.
// Invariants: every CSV row has as many fields as the header; names are unique whatever their case,
// because the engine compares them so; blank lines are allowed at the end of a file only.

import { DATASET_COLUMNS_MAX } from '@cloister/contract';
import { type CsvLayout, CsvScanner, type Field } from './csv.ts';
import type { IngestFormat } from './detect.ts';
import type { Dialect } from './dialect/dialect.ts';
import { ingestError } from './errors.ts';
import type { CellKind } from './infer.ts';
import { type JsonField, JsonLinesScanner } from './json-lines.ts';
import { textChunks } from './text-chunks.ts';

export interface Cell {
  readonly text: string;
  readonly kind: CellKind;
}

export interface RowReader {
  /** Called before the first cell of a column is known; for JSON also in the middle of a file. */
  onColumn(name: string): void;
  /** Cells by column position; a short row means that the rest is absent. */
  onRow(cells: readonly Cell[], line: number): void;
}

export interface RowOptions extends Dialect {
  readonly format: Exclude<IngestFormat, 'parquet'>;
}

const MAX_NAME = 255;
/** Control characters, format characters (a second byte-order mark, too), line separators. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\p{DI}\u00a0\u2800]/u;
/** The value that is not there. */
export const ABSENT: Cell = { text: '', kind: 'null' };

/** How the rows of a CSV file lie in it. */
export interface RowLayout extends CsvLayout {
  /** Whether there are blank lines at its end. */
  readonly blankLines: boolean;
}

/**
 * Reads all rows; `between` is awaited after each chunk, so that a writer can keep up. Answers how
 * the rows of a CSV file lie in it.
 */
export async function readRows(
  path: string,
  options: RowOptions,
  reader: RowReader,
  between: () => Promise<void> = async () => undefined,
): Promise<RowLayout | undefined> {
  const csv = options.format === 'csv' ? csvRows(options, reader) : undefined;
  const scanner = csv?.scanner ?? jsonRows(reader);
  for await (const chunk of textChunks(path, options.encoding)) {
    scanner.push(chunk);
    await between();
  }
  scanner.end();
  return csv && { ...csv.scanner.layout, blankLines: csv.hasBlankLines() };
}

function csvRows(
  options: RowOptions,
  reader: RowReader,
): { readonly scanner: CsvScanner; readonly hasBlankLines: () => boolean } {
  let width = 0;
  let blankLine = 0;
  const seen = new Map<string, number>();
  const absent: ReadonlySet<string> = new Set(options.null);
  const scanner = new CsvScanner(options, (fields, line) => {
    if (isBlank(fields)) {
      if (blankLine === 0) blankLine = line;
      return;
    }
    if (blankLine > 0) throw ragged(blankLine, 'is blank');
    if (width === 0) {
      width = fields.length;
      refuseTooMany(width);
      const names = fields.map((field, i) => (options.header ? field.text : `column${i + 1}`));
      for (const name of names) addColumn(seen, name, reader);
      if (options.header) return;
    }
    if (fields.length !== width) {
      const what = `has ${fields.length} fields, wanted ${width} as in the first row`;
      throw ragged(line, `${what}; where they are divided otherwise, say it with --delimiter`);
    }
    reader.onRow(
      fields.map((field) => cellOf(field, absent)),
      line,
    );
  });
  return { scanner, hasBlankLines: () => blankLine > 0 };
}

function isBlank(fields: readonly Field[]): boolean {
  return fields.length === 1 && fields[0]?.text === '' && !fields[0].quoted;
}

function cellOf({ text, quoted }: Field, absent: ReadonlySet<string>): Cell {
  if (quoted) return { text, kind: 'any' };
  if (text === '') return ABSENT;
  return { text, kind: absent.has(text) ? 'null' : 'bare' };
}

function ragged(line: number, what: string): Error {
  return ingestError('csv-row-ragged', `line ${line} ${what}`, { details: { line } });
}

function jsonRows(reader: RowReader): JsonLinesScanner {
  const positions = new Map<string, number>();
  const seen = new Map<string, number>();
  return new JsonLinesScanner((fields, line) => {
    for (const name of fields.keys()) {
      if (positions.has(name)) continue;
      positions.set(name, positions.size);
      addColumn(seen, name, reader);
    }
    const cells: Cell[] = new Array<Cell>(positions.size).fill(ABSENT);
    for (const [name, field] of fields) cells[positions.get(name) as number] = jsonCell(field);
    reader.onRow(cells, line);
  });
}

function jsonCell(field: JsonField): Cell {
  return field.kind === 'null' ? ABSENT : field;
}

/** Checks a column's name against those before it and announces it. */
function addColumn(seen: Map<string, number>, name: string, reader: RowReader): void {
  checkColumnName(seen, name);
  reader.onColumn(name);
}

/**
 * Refuses names that cannot become columns; `seen` collects the good ones.
 * @throws CodedError `column-name-*`, `too-many-columns`
 */
export function checkColumnName(seen: Map<string, number>, name: string): void {
  const position = seen.size + 1;
  const details = { position };
  if (name.trim() === '') {
    throw ingestError('column-name-empty', `column ${position} has no name`, { details });
  }
  if (name.length > MAX_NAME || INVISIBLE.test(name)) {
    const code = INVISIBLE.exec(name)?.[0].codePointAt(0)?.toString(16).padStart(4, '0');
    const what = code === undefined ? `over ${MAX_NAME} characters` : `the invisible U+${code}`;
    const message = `the name of column ${position} has ${what}: rename it`;
    throw ingestError('column-name-malformed', message, { details });
  }
  const key = name.normalize('NFKC').toLowerCase();
  const before = seen.get(key);
  if (before !== undefined) {
    const message = `columns ${before} and ${position} have one name, or look as if they had`;
    throw ingestError('column-name-duplicate', message, { details });
  }
  if (position > DATASET_COLUMNS_MAX) throw tooMany(`more than ${DATASET_COLUMNS_MAX}`);
  seen.set(key, position);
}

/**
 * Refuses more columns than an event can name, before any of them is read.
 * @throws CodedError `too-many-columns`
 */
export function refuseTooMany(columns: number): void {
  if (columns > DATASET_COLUMNS_MAX) throw tooMany(String(columns));
}

function tooMany(got: string): Error {
  const message =
    `the file has ${got} columns, and a dataset has at most ${DATASET_COLUMNS_MAX}: leave out ` +
    'what no task will ask for, or divide it into several datasets with a column to join them by';
  return ingestError('too-many-columns', message, { details: { most: DATASET_COLUMNS_MAX } });
}
