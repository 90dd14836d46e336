// SPDX-License-Identifier: Apache-2.0
// A text file, as our own scanner reads it, beside what was made of it.
import type { TextReading } from '../convert.ts';
import { toInstant } from '../dialect/zones.ts';
import { type Cell, readRows } from '../rows.ts';
import type { ColumnTrace } from './column-trace.ts';
import { compare, type ReadSource } from './compare.ts';
import { toPlainText } from './text-form.ts';
import { type Forms, formsOf } from './value-form.ts';

export interface CompareRequest {
  /** The file as it came. */
  readonly source: string;
  /** Plain Parquet, as a worker would have it. */
  readonly parquet: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Called now and then with how many rows of the source have been read. */
  readonly onRows?: (rows: number) => void;
}

/** @throws CodedError `value-changed`, `input-changed`, `conversion-failed` */
export async function compareText(
  request: CompareRequest & {
    readonly reading: TextReading;
    /** What the values left when the file was looked at: those columns are not read again. */
    readonly traces?: readonly (ColumnTrace | undefined)[] | undefined;
  },
): Promise<void> {
  const { source, reading, parquet, columns, traces = [], onRows } = request;
  const zone = reading.zone === null ? undefined : toInstant(reading.zone);
  const all = columns.map(({ name, type }, i) => {
    const inFile = toPlainText(type, { ...reading, dateFormat: reading.dateFormats[i] });
    const { ofSource, ...forms } = formsOf(type, zone);
    const inOneForm = (text: string) => ofSource(inFile === undefined ? text : inFile(text));
    return { name, type, forms: { ...forms, ofSource: inOneForm } };
  });
  const read: ReadSource = async (hear, only) => {
    const heard = [...all.keys()].filter((i) => only?.has(i) !== false);
    let rows = 0;
    const hearCell = (cell: Cell | undefined, i: number) => {
      const { type, forms } = all[i] as { type: string; forms: Forms };
      const absent =
        cell === undefined || cell.kind === 'null' || (cell.text === '' && type !== 'VARCHAR');
      hear(i, absent ? null : forms.ofSource(cell.text));
    };
    const onRow = (cells: readonly Cell[]) => {
      rows += 1;
      for (const i of heard) hearCell(cells[i], i);
    };
    const between = async () => onRows?.(rows);
    await readRows(source, reading, { onColumn: () => undefined, onRow }, between);
  };
  await compare(read, parquet, all, traces);
}
