// SPDX-License-Identifier: Apache-2.0
// What a file would become as a dataset, before anything is written: its format, columns, types,
// how many values are absent, and what looks odd. Values are shown only when samples are asked for.
import { isCoded } from '@cloister/core';
import { type Detected, detect, type IngestFormat } from './detect.ts';
import { checkSaid } from './dialect/check-said.ts';
import type { Dialect, Said } from './dialect/dialect.ts';
import { ingestError } from './errors.ts';
import { ColumnTypes, type Remark, SURE_SPELLING } from './infer.ts';
import type { InspectedColumn, Inspection, TraceFor } from './inspection.ts';
import { inspectParquetInput } from './parquet-input.ts';
import { type Batch, QuickColumn } from './quick/quick-column.ts';
import { quickRows } from './quick/quick-rows.ts';
import type { ColumnRemark } from './remarks.ts';
import {
  ABSENT,
  type Cell,
  checkColumnName,
  type RowLayout,
  type RowOptions,
  readRows,
} from './rows.ts';
import { sniff } from './sniff.ts';

/** So many columns are gathered from bytes. */
const MOST_QUICK = 1_024;

export interface InspectOptions {
  /** What the file is; without it the extension and the content must agree. */
  readonly format?: IngestFormat;
  /** The name that the file came with, where its path is another (an upload). */
  readonly name?: string;
  /** How a text is written, as far as its owner says it. */
  readonly dialect?: Said;
  /** How many values of each column to show: none unless told. */
  readonly samples?: number;
  /** Called now and then with how many rows of a text file have been read. */
  readonly onRows?: (rows: number) => void;
}

/** Reads the whole file once. @throws CodedError of `IngestErrorCode` */
export async function inspectInput(
  path: string,
  options: InspectOptions = {},
): Promise<Inspection> {
  const said = options.dialect ?? {};
  const detected = await detect(path, { ...options, encoding: said.encoding });
  checkSaid(said, detected.format);
  const samples = options.samples ?? 0;
  if (detected.format === 'parquet') return inspectParquetInput(path, detected.bytes, samples);
  return inspectText(path, detected, options);
}

/**
 * Refuses what would be cut, or kept as text by a warning, in columns without a chosen type.
 * @throws CodedError `not-exact`
 */
export function refuseInexact(
  { remarks }: Inspection,
  chosen: Readonly<Record<string, string>> = {},
): void {
  const left = remarks.filter(
    ({ column, inexact, untilChosen }) =>
      inexact && !(untilChosen && Object.hasOwn(chosen, column)),
  );
  const [first] = left;
  if (first === undefined) return;
  const more = left.length > 1 ? ` (and ${left.length - 1} more like this)` : '';
  throw ingestError('not-exact', `${first.says}${more}; --strict refuses it`);
}

async function inspectText(
  path: string,
  detected: Detected,
  options: InspectOptions,
): Promise<Inspection> {
  const { format, bytes, byteOrderMark } = detected;
  const said = options.dialect ?? {};
  const dialect = await sniff(path, detected, said);
  const reading: RowOptions = { ...dialect, format: format as RowOptions['format'] };
  const { table, layout } = await gather(path, reading, options);
  if (table.rows === 0) throw ingestError('input-no-rows', 'the file holds no row of data');
  const absent = said.null === undefined ? table.takeSpellings() : [];
  const columns = table.columns(absent);
  if (columns.length === 0) throw ingestError('input-no-rows', 'the rows hold no column');
  return {
    format,
    bytes,
    rows: table.rows,
    columns,
    remarks: table.remarks(),
    byteOrderMark,
    reading: { ...reading, null: [...reading.null, ...absent] },
    ...(layout === undefined ? {} : { layout }),
    evidence: table.evidence(),
    ofOneKind: table.areOfOneKind(),
    traces: table.traces(absent.length > 0),
  };
}

/** From the bytes where they are as usual, which is quick; else from all texts. */
async function gather(
  path: string,
  reading: RowOptions,
  { samples = 0, onRows }: InspectOptions,
): Promise<{ table: Table; layout: RowLayout | undefined }> {
  const quick = new Table(reading, samples);
  const taken = await quickRows(path, reading, quick, async () => onRows?.(quick.rows));
  if (taken !== undefined) return { table: quick, layout: taken.layout };
  const table = new Table(reading, samples);
  return { table, layout: await readRows(path, reading, table, async () => onRows?.(table.rows)) };
}

interface Gathered {
  readonly name: string;
  readonly types: ColumnTypes;
  readonly quick: QuickColumn;
  /** Rows that came before the column did (JSON lines). */
  readonly before: number;
  readonly samples: string[];
}

/** Gathers names, types and absent values of all columns, row by row. */
class Table {
  rows = 0;
  readonly #dialect: Dialect;
  readonly #samplesWanted: number;
  readonly #columns: Gathered[] = [];
  readonly #names = new Map<string, number>();

  constructor(dialect: Dialect, samples: number) {
    this.#dialect = dialect;
    this.#samplesWanted = samples;
  }

  onColumn(name: string): void {
    const types = new ColumnTypes(this.#dialect);
    const quick = new QuickColumn(types);
    quick.addAbsent(this.rows);
    this.#columns.push({ name, types, quick, before: this.rows, samples: [] });
  }

  /** Whether there can be such columns, and not too many to gather so. */
  onNames(names: readonly string[]): boolean {
    try {
      for (const name of names) checkColumnName(this.#names, name);
    } catch (error) {
      if (isCoded(error)) return false;
      throw error;
    }
    for (const name of names) this.onColumn(name);
    return this.#columns.length <= MOST_QUICK;
  }

  onBatch(batch: Batch): void {
    this.rows += batch.rows;
    for (const [i, { quick, samples }] of this.#columns.entries()) {
      quick.add(batch, i);
      if (samples.length < this.#samplesWanted) this.#sample(samples, batch, i);
    }
  }

  #sample(samples: string[], batch: Batch, column: number): void {
    const { bytes, starts, ends, width, rows } = batch;
    for (let row = 0; row < rows && samples.length < this.#samplesWanted; row++) {
      const text = bytes.toString('utf8', starts[row * width + column], ends[row * width + column]);
      sample(samples, { text, kind: 'any' });
    }
  }

  onRow(cells: readonly Cell[]): void {
    this.rows += 1;
    for (const [i, column] of this.#columns.entries()) {
      const cell = cells[i] ?? ABSENT;
      column.types.add(cell.text, cell.kind);
      if (column.samples.length < this.#samplesWanted) sample(column.samples, cell);
    }
  }

  /**
   * Takes as absent what spells it in columns of other types only: beside texts it may be a text.
   * Answers what was taken.
   */
  takeSpellings(): string[] {
    const all = this.#columns.map(({ types }) => types);
    const spellings = new Set(all.flatMap((types) => types.spellings()));
    const taken = [...spellings].filter((spelling) => {
      const beside = all
        .filter((types) => types.spellings().includes(spelling))
        .map((types) => types.besideSpellings());
      const clear = beside.includes('others') && !beside.includes('texts');
      return clear || spelling === SURE_SPELLING;
    });
    for (const spelling of taken) for (const types of all) types.takeAsAbsent(spelling);
    return taken;
  }

  /** `absent`: texts that were taken for absent values. */
  columns(absent: readonly string[]): InspectedColumn[] {
    const shown = (texts: string[]) => texts.filter((text) => !absent.includes(text));
    return this.#columns.map(({ name, types, before, samples }) => ({
      name,
      type: types.type(),
      nulls: before + types.nulls(),
      ...(this.#samplesWanted > 0 ? { samples: shown(samples) } : {}),
    }));
  }

  evidence(): ColumnTypes[] {
    return this.#columns.map(({ types }) => types);
  }

  areOfOneKind(): boolean {
    return this.#columns.every(({ types, quick }) => {
      return quick.trace.rows === this.rows && quick.isOfOneKind(types.type());
    });
  }

  /** By column, the trace of its values for its type, where there is one. */
  traces(absent: boolean): TraceFor[] {
    const { rows } = this;
    for (const { quick } of this.#columns) quick.end();
    return this.#columns.map(
      ({ quick }) =>
        (type) =>
          quick.traceFor(type, { rows, absent }),
    );
  }

  remarks(): ColumnRemark[] {
    return this.#columns.flatMap(({ name, types }) => {
      const padded: Remark = {
        kind: 'padded-name',
        says: 'has spaces around its name',
        inexact: false,
      };
      const all = [...(name === name.trim() ? [] : [padded]), ...types.remarks()];
      return all.map(({ says, ...remark }) => ({
        ...remark,
        column: name,
        says: `column ${name} ${says}`,
        untilChosen: true,
      }));
    });
  }
}

/** Takes a value that is there, once. */
function sample(samples: string[], { text, kind }: Cell): void {
  if (text !== '' && kind !== 'null' && !samples.includes(text)) samples.push(text);
}
