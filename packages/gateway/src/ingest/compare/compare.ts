// SPDX-License-Identifier: Apache-2.0
// Whether what was made of a file is what the file says: the file is read by other code than the
// engine's that made it, and every value compared. So a mistake of the engine's casts, its reader
// or its writer shows, and one of sealing.
import { type Duck, identifier, parquetRows, withDuck } from '../duck.ts';
import { ingestError } from '../errors.ts';
import { BLOCK_ROWS, ColumnTrace } from './column-trace.ts';
import type { Form, Forms } from './value-form.ts';

/** A column, and how it is compared. */
export interface ComparedColumn {
  readonly name: string;
  readonly forms: Pick<Forms, 'ask' | 'ofEngine'>;
}

/** Reads the file that came: `hear` gets every value of every column, each column's in order. */
export type ReadSource = (
  hear: (column: number, form: Form | null) => void,
  only?: number,
) => Promise<void>;

const UNREAD = 'what was made of the file cannot be read back';

/**
 * @throws CodedError `value-changed` with the column and the row, from 1; `input-changed` where the
 * file is not what it was; `conversion-failed`
 */
export async function compare(
  read: ReadSource,
  parquet: string,
  columns: readonly ComparedColumn[],
): Promise<void> {
  const traces = () => columns.map(() => new ColumnTrace());
  const [wanted, got] = [traces(), traces()];
  await read((column, form) => (wanted[column] as ColumnTrace).add(form));
  const inOrder = async (duck: Duck) => {
    for await (const chunk of madeOf(duck, parquet, columns)) {
      for (const [i, forms] of chunk.entries()) {
        for (const form of forms) (got[i] as ColumnTrace).add(form);
      }
    }
    for (const trace of [...wanted, ...got]) trace.end();
    for (const [column, { name }] of columns.entries()) {
      const block = (wanted[column] as ColumnTrace).firstOther(got[column] as ColumnTrace);
      if (block === undefined) continue;
      throw changed(name, await firstRow(duck, { read, parquet, columns, column, block }));
    }
  };
  // One thread gives rows in order and holds few of them.
  await withDuck([parquet], inOrder, 1);
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
  at: {
    read: ReadSource;
    parquet: string;
    columns: readonly ComparedColumn[];
    column: number;
    block: number;
  },
): Promise<number> {
  const { read, parquet, columns, column, block } = at;
  const [wanted, got] = [new Block(block), new Block(block)];
  await read((of, form) => {
    if (of === column) wanted.add(form);
  }, column);
  for await (const [forms = []] of madeOf(duck, parquet, [columns[column] as ComparedColumn])) {
    for (const form of forms) got.add(form);
  }
  const rows = Math.max(wanted.forms.length, got.forms.length);
  for (let i = 0; i < rows; i++) {
    if (!Object.is(wanted.forms[i], got.forms[i])) return block * BLOCK_ROWS + i + 1;
  }
  throw ingestError('input-changed', 'the file changed while it was compared: add it again');
}

/** The values of one block of a column that is read from its beginning. */
class Block {
  readonly forms: (Form | null)[] = [];
  readonly #from: number;
  #row = 0;

  constructor(block: number) {
    this.#from = block * BLOCK_ROWS;
  }

  add(form: Form | null): void {
    const within = this.#row >= this.#from && this.#row < this.#from + BLOCK_ROWS;
    if (within) this.forms.push(form);
    this.#row += 1;
  }
}

/** The columns of what was made, some rows at a time. */
async function* madeOf(
  duck: Duck,
  parquet: string,
  columns: readonly ComparedColumn[],
): AsyncGenerator<(Form | null)[][]> {
  const asked = columns.map(({ name, forms }) => forms.ask(identifier(name)));
  const sql = `SELECT ${asked.join(', ')} FROM ${parquetRows(parquet)}`;
  for await (const chunk of duck.stream(sql, 'conversion-failed', UNREAD)) {
    yield chunk.map((values, i) => {
      const { ofEngine } = (columns[i] as ComparedColumn).forms;
      return values.map((value) => (value === null ? null : ofEngine(value)));
    });
  }
}
