// SPDX-License-Identifier: Apache-2.0
// Whether what was made of a text file is what the file says: the file is read by our own scanner,
// what was made by the engine, and every value compared. The engine made it, so a mistake of its
// casts, its writer or ours of sealing shows; the two have no decoder in common.
import type { Duck } from '../duck.ts';
import { identifier, parquetRows, withDuck } from '../duck.ts';
import { ingestError } from '../errors.ts';
import { type Cell, type RowOptions, readRows } from '../rows.ts';
import { BLOCK_ROWS, ColumnTrace } from './column-trace.ts';
import { type Form, type Forms, formsOf } from './value-form.ts';

export interface CompareRequest {
  /** The text file as it came. */
  readonly source: string;
  readonly reading: RowOptions;
  /** Plain Parquet, as a worker would have it. */
  readonly parquet: string;
  readonly columns: readonly Column[];
  /** Called now and then with how many rows have been compared. */
  readonly onRows?: (rows: number) => void;
}

interface Column {
  readonly name: string;
  readonly type: string;
}

const UNREAD = 'what was made of the file cannot be read back';

/**
 * @throws CodedError `value-changed` with the column and the row, from 1; `input-changed` where the
 * file is not what it was; `conversion-failed`
 */
export async function compareText(request: CompareRequest): Promise<void> {
  const { source, reading, parquet, columns } = request;
  const wanted = columns.map(() => new ColumnTrace());
  await eachRow(request, (forms) => {
    for (const [i, form] of forms.entries()) (wanted[i] as ColumnTrace).add(form);
  });
  await withDuck(
    [parquet],
    async (duck) => {
      const got = columns.map(() => new ColumnTrace());
      for await (const forms of madeOf(duck, parquet, columns)) {
        for (const [i, column] of forms.entries()) {
          for (const form of column) (got[i] as ColumnTrace).add(form);
        }
      }
      for (const trace of [...wanted, ...got]) trace.end();
      for (const [i, { name }] of columns.entries()) {
        const block = (wanted[i] as ColumnTrace).firstOther(got[i] as ColumnTrace);
        if (block === undefined) continue;
        const at = { source, reading, parquet, columns, column: i, block };
        throw changed(name, await firstRow(duck, at));
      }
    },
    1,
  );
}

function changed(name: string, row: number): Error {
  const message =
    `column ${name}, row ${row}: what was made of the value is not what the file says; ` +
    `choose a type that keeps it (--type ${name}=VARCHAR keeps every text)`;
  return ingestError('value-changed', message, { details: { column: name, row } });
}

/** Reads the block again on both sides; answers the first row that differs, from 1. */
async function firstRow(
  duck: Duck,
  at: CompareRequest & { column: number; block: number },
): Promise<number> {
  const { parquet, columns, column, block } = at;
  const [from, to] = [block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS];
  const wanted: (Form | null)[] = [];
  let row = 0;
  await eachRow(at, (forms) => {
    if (row >= from && row < to) wanted.push(forms[column] ?? null);
    row += 1;
  });
  const only = [columns[column] as Column];
  const got: (Form | null)[] = [];
  let seen = 0;
  for await (const [values = []] of madeOf(duck, parquet, only)) {
    for (const form of values) {
      if (seen >= from && seen < to) got.push(form);
      seen += 1;
    }
  }
  for (let i = 0; i < Math.max(wanted.length, got.length); i++) {
    if (!Object.is(wanted[i], got[i])) return from + i + 1;
  }
  throw ingestError('input-changed', 'the file changed while it was compared: add it again');
}

async function eachRow(
  { source, reading, columns, onRows }: CompareRequest,
  onRow: (forms: readonly (Form | null)[]) => void,
): Promise<void> {
  const all = columns.map(({ type }) => formsOf(type));
  const isText = columns.map(({ type }) => type === 'VARCHAR');
  const formOf = (cell: Cell | undefined, i: number): Form | null => {
    if (cell === undefined || cell.kind === 'null') return null;
    if (cell.text === '' && isText[i] !== true) return null;
    return (all[i] as Forms).ofText(cell.text);
  };
  let rows = 0;
  const reader = {
    onColumn: () => undefined,
    onRow: (cells: readonly Cell[]) => {
      rows += 1;
      onRow(columns.map((_, i) => formOf(cells[i], i)));
    },
  };
  await readRows(source, reading, reader, async () => onRows?.(rows));
}

/** The columns of what was made, in the same forms. */
async function* madeOf(
  duck: Duck,
  parquet: string,
  columns: readonly Column[],
): AsyncGenerator<(Form | null)[][]> {
  const all = columns.map(({ type }) => formsOf(type));
  const asked = columns.map(({ name }, i) => (all[i] as Forms).ask(identifier(name)));
  const sql = `SELECT ${asked.join(', ')} FROM ${parquetRows(parquet)}`;
  for await (const chunk of duck.stream(sql, 'conversion-failed', UNREAD)) {
    yield chunk.map((values, i) => {
      const { ofEngine } = all[i] as Forms;
      return values.map((value) => (value === null ? null : ofEngine(value)));
    });
  }
}
