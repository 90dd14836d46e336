// SPDX-License-Identifier: Apache-2.0
// What a file would become as a dataset, before anything is written: its format, columns, types,
// how many values are absent, and what looks odd. Values are shown only when samples are asked for.
import { open } from 'node:fs/promises';
import { type Delimiter, guessDelimiter } from './csv.ts';
import { type Detected, detect, type IngestFormat } from './detect.ts';
import { identifier, literal, withDuck } from './duck.ts';
import { ingestError } from './errors.ts';
import { ColumnTypes } from './infer.ts';
import { ABSENT, type Cell, checkColumnName, type RowOptions, readRows } from './rows.ts';
import { canBring } from './types.ts';

export interface InspectOptions {
  /** What the file is; without it the extension and the content must agree. */
  readonly format?: IngestFormat;
  /** The name that the file came with, where its path is another (an upload). */
  readonly name?: string;
  /** Whether the first CSV row names the columns: true unless told. */
  readonly header?: boolean;
  /** The CSV delimiter; without it the first line shows it. */
  readonly delimiter?: Delimiter;
  /** How many values of each column to show: none unless told. */
  readonly samples?: number;
}

export interface InspectedColumn {
  readonly name: string;
  /** A DuckDB type. */
  readonly type: string;
  readonly nulls: number;
  readonly samples?: readonly string[];
}

export interface Inspection {
  readonly format: IngestFormat;
  readonly bytes: number;
  readonly rows: number;
  readonly columns: readonly InspectedColumn[];
  /** Sentences for whoever adds the dataset; they name columns, never values. */
  readonly warnings: readonly string[];
  /** How the text was read; absent for Parquet. */
  readonly reading?: RowOptions;
}

const HEAD_CHARACTERS = 65_536;

/** Reads the whole file once. @throws CodedError of `IngestErrorCode` */
export async function inspectInput(
  path: string,
  options: InspectOptions = {},
): Promise<Inspection> {
  const detected = await detect(path, options);
  const samples = options.samples ?? 0;
  if (detected.format === 'parquet') return inspectParquet(path, detected, samples);
  return inspectText(path, detected, options);
}

async function inspectText(
  path: string,
  detected: Detected,
  options: InspectOptions,
): Promise<Inspection> {
  const warnings: string[] = [];
  const head = detected.format === 'csv' ? await readHead(path) : '';
  const delimiter = options.delimiter ?? guessDelimiter(head);
  if (/^"?sep=.?"?\r?\n/i.test(head)) {
    const message = 'the first line is a spreadsheet\'s "sep=" hint: remove it';
    throw ingestError('csv-header-suspicious', message, { kind: 'unsupported' });
  }
  if (detected.format === 'csv' && delimiter !== ',') {
    const name = delimiter === '\t' ? 'tabs' : `"${delimiter}"`;
    warnings.push(`fields are separated by ${name}; numbers with a decimal comma stay text`);
  }
  const reading: RowOptions = {
    format: detected.format as RowOptions['format'],
    delimiter,
    header: options.header ?? true,
  };
  const table = new Table(options.samples ?? 0);
  await readRows(path, reading, table);
  if (table.rows === 0) throw ingestError('input-no-rows', 'the file holds no row of data');
  const { format, bytes } = detected;
  const columns = table.columns();
  if (columns.length === 0) throw ingestError('input-no-rows', 'the rows hold no column');
  return {
    format,
    bytes,
    rows: table.rows,
    columns,
    warnings: [...warnings, ...table.warnings()],
    reading,
  };
}

interface Gathered {
  readonly name: string;
  readonly types: ColumnTypes;
  /** Rows that came before the column did (JSON lines). */
  readonly before: number;
  readonly samples: string[];
}

/** Gathers names, types and absent values of all columns, row by row. */
class Table {
  rows = 0;
  readonly #samplesWanted: number;
  readonly #columns: Gathered[] = [];

  constructor(samples: number) {
    this.#samplesWanted = samples;
  }

  onColumn(name: string): void {
    this.#columns.push({ name, types: new ColumnTypes(), before: this.rows, samples: [] });
  }

  onRow(cells: readonly Cell[]): void {
    this.rows += 1;
    for (const [i, column] of this.#columns.entries()) {
      const cell = cells[i] ?? ABSENT;
      column.types.add(cell.text, cell.kind);
      const wanted = column.samples.length < this.#samplesWanted;
      if (wanted && cell.text !== '') column.samples.push(cell.text);
    }
  }

  columns(): InspectedColumn[] {
    return this.#columns.map(({ name, types, before, samples }) => ({
      name,
      type: types.type(),
      nulls: before + types.nulls(),
      ...(this.#samplesWanted > 0 ? { samples } : {}),
    }));
  }

  warnings(): string[] {
    return this.#columns.flatMap(({ name, types }) => {
      const padded = name !== name.trim() ? ['has spaces around its name'] : [];
      const odd = types.warning();
      return [...padded, ...(odd === undefined ? [] : [odd])].map(
        (what) => `column ${name} ${what}`,
      );
    });
  }
}

async function readHead(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(HEAD_CHARACTERS);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return buffer.toString('utf8', 0, bytesRead).replace(/^\ufeff/, '');
  } finally {
    await file.close();
  }
}

async function inspectParquet(
  path: string,
  detected: Detected,
  samples: number,
): Promise<Inspection> {
  const malformed = 'the Parquet file cannot be read: its footer or pages are damaged';
  return withDuck([path], async (duck) => {
    const source = `read_parquet([${literal(path)}])`;
    const described = await duck.query(
      `DESCRIBE SELECT * FROM ${source}`,
      'parquet-malformed',
      malformed,
    );
    const seen = new Map<string, number>();
    const types = described.map(([name, type]) => ({ name: String(name), type: String(type) }));
    for (const { name, type } of types) {
      checkColumnName(seen, name);
      if (!canBring(type)) {
        const message = `column ${name} has the type ${type.slice(0, 60)}: flatten it first`;
        throw ingestError('column-type-unsupported', message, { kind: 'unsupported' });
      }
    }
    // max() makes the engine decode every value, so that damaged pages are found now.
    const sums = types.map(({ name }) => `count(*) - count(${identifier(name)})`);
    const reads = types.map(({ name }) => `max(${identifier(name)}) IS NULL`);
    const sql = `SELECT count(*), ${[...sums, ...reads].join(', ')} FROM ${source}`;
    const [row] = await duck.query(sql, 'parquet-malformed', malformed);
    const rows = Number(row?.[0] ?? 0);
    if (rows === 0) throw ingestError('input-no-rows', 'the file holds no row of data');
    const columns: InspectedColumn[] = [];
    for (const [i, { name, type }] of types.entries()) {
      const nulls = Number(row?.[i + 1]);
      if (samples === 0) columns.push({ name, type, nulls });
      else {
        const column = identifier(name);
        const texts = `SELECT CAST(${column} AS VARCHAR) FROM ${source}`;
        const shown = `${texts} WHERE ${column} IS NOT NULL LIMIT ${Math.trunc(samples)}`;
        const values = await duck.query(shown, 'parquet-malformed', malformed);
        columns.push({ name, type, nulls, samples: values.map(([value]) => String(value)) });
      }
    }
    const warnings = columns
      .filter((column) => column.nulls === rows)
      .map((column) => `column ${column.name} holds no value at all`);
    return { format: 'parquet' as const, bytes: detected.bytes, rows, columns, warnings };
  });
}
