// SPDX-License-Identifier: Apache-2.0
// A text file, as our own scanner reads it, beside what was made of it.
import { type Cell, type RowOptions, readRows } from '../rows.ts';
import { compare, type ReadSource } from './compare.ts';
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
  request: CompareRequest & { readonly reading: RowOptions },
): Promise<void> {
  const { source, reading, parquet, columns, onRows } = request;
  const all = columns.map(({ name, type }) => ({ name, type, forms: formsOf(type) }));
  const read: ReadSource = async (hear) => {
    let rows = 0;
    const hearCell = (cell: Cell | undefined, i: number) => {
      const { type, forms } = all[i] as { type: string; forms: Forms };
      const absent =
        cell === undefined || cell.kind === 'null' || (cell.text === '' && type !== 'VARCHAR');
      hear(i, absent ? null : forms.ofSource(cell.text));
    };
    const onRow = (cells: readonly Cell[]) => {
      rows += 1;
      for (let i = 0; i < all.length; i++) hearCell(cells[i], i);
    };
    const between = async () => onRows?.(rows);
    await readRows(source, reading, { onColumn: () => undefined, onRow }, between);
  };
  await compare(read, parquet, all);
}
