// SPDX-License-Identifier: Apache-2.0
// What a file would become as a dataset, before anything is written: its format, columns, types,
// how many values are absent, and what looks odd. Values are shown only when samples are asked for.
import { open } from 'node:fs/promises';
import { type Delimiter, guessDelimiter } from './csv.ts';
import { type Detected, detect, type IngestFormat } from './detect.ts';
import { ingestError } from './errors.ts';
import { ColumnTypes } from './infer.ts';
import type { InspectedColumn, Inspection } from './inspection.ts';
import { inspectParquetInput } from './parquet-input.ts';
import { ABSENT, type Cell, type RowOptions, readRows } from './rows.ts';

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
  /** Called now and then with how many rows of a text file have been read. */
  readonly onRows?: (rows: number) => void;
}

const HEAD_CHARACTERS = 65_536;

/** Reads the whole file once. @throws CodedError of `IngestErrorCode` */
export async function inspectInput(
  path: string,
  options: InspectOptions = {},
): Promise<Inspection> {
  const detected = await detect(path, options);
  const samples = options.samples ?? 0;
  if (detected.format === 'parquet') return inspectParquetInput(path, detected.bytes, samples);
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
    throw ingestError('csv-header-suspicious', message);
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
  await readRows(path, reading, table, async () => options.onRows?.(table.rows));
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
    evidence: table.evidence(),
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

  evidence(): ColumnTypes[] {
    return this.#columns.map(({ types }) => types);
  }

  warnings(): string[] {
    return this.#columns.flatMap(({ name, types }) => {
      const padded = name !== name.trim() ? ['has spaces around its name'] : [];
      return [...padded, ...types.warnings()].map((what) => `column ${name} ${what}`);
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
