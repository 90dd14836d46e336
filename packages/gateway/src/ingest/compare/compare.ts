// SPDX-License-Identifier: Apache-2.0
// Whether what was made of a file is what the file says: the file is read by other code than the
// engine's that made it, and every value compared. So a mistake of the engine's casts, its reader
// or its writer shows, and one of sealing.
import { type Duck, type EngineValue, identifier, parquetRows, withDuck } from '../duck.ts';
import { ingestError } from '../errors.ts';
import { BLOCK_ROWS, ColumnTrace } from './column-trace.ts';
import { askForPairs, EnginePairs } from './engine-pairs.ts';
import type { Form, Forms } from './value-form.ts';

/** A column, and how it is compared. */
export interface ComparedColumn {
  readonly name: string;
  readonly type: string;
  readonly forms: Pick<Forms, 'ask' | 'ofEngine'>;
}

/** Reads the file that came: `hear` gets every value of these columns, each column's in order. */
export type ReadSource = (
  hear: (column: number, form: Form | null) => void,
  only?: ReadonlySet<number>,
) => Promise<void>;

const UNREAD = 'what was made of the file cannot be read back';

/**
 * Columns that have left a trace of pairs, to its end, are compared by it, and the file is not
 * read; where such a trace differs, reading it decides.
 * @throws CodedError `value-changed` with the column and the row, from 1; `input-changed` where the
 * file is not what it was; `conversion-failed`, also where what was made has other columns
 */
export async function compare(
  read: ReadSource,
  parquet: string,
  columns: readonly ComparedColumn[],
  traces: readonly (ColumnTrace | undefined)[] = [],
): Promise<void> {
  const untraced = new Set([...columns.keys()].filter((i) => traces[i] === undefined));
  // One thread gives rows in order and holds few of them.
  await withDuck(
    [parquet],
    async (duck) => {
      await checkColumns(duck, parquet, columns);
      const at = { read, parquet, columns };
      if (untraced.size < columns.length) {
        for (const i of await tracedOtherwise(duck, at, traces)) untraced.add(i);
      }
      if (untraced.size > 0) await compareValues(duck, at, untraced);
    },
    1,
  );
}

/** As what the engine reads a type back for which Parquet has another. */
const READ_AS: Readonly<Record<string, string>> = {
  TIMESTAMP_S: 'TIMESTAMP',
  TIMESTAMP_MS: 'TIMESTAMP',
};

/** Names, order and types of what was made have to be the wanted ones, and nothing beside them. */
async function checkColumns(
  duck: Duck,
  parquet: string,
  columns: readonly ComparedColumn[],
): Promise<void> {
  const sql = `DESCRIBE SELECT * FROM ${parquetRows(parquet)}`;
  const made = await duck.query(sql, 'conversion-failed', UNREAD);
  for (let i = 0; i < Math.max(made.length, columns.length); i++) {
    const [name, type] = made[i] ?? [];
    const wanted = columns[i];
    if (name === wanted?.name && type === (READ_AS[wanted?.type ?? ''] ?? wanted?.type)) continue;
    const got = name === undefined ? 'missing' : `${name} ${type}`.slice(0, 300);
    const instead = wanted === undefined ? 'none' : `${wanted.name} ${wanted.type}`;
    const message = `column ${i + 1} of what was made of the file is ${got}, and not ${instead}`;
    throw ingestError('conversion-failed', `${message}: add the file again`);
  }
}

interface Compared {
  readonly read: ReadSource;
  readonly parquet: string;
  readonly columns: readonly ComparedColumn[];
}

/** Which columns have other traces in what was made. */
async function tracedOtherwise(
  duck: Duck,
  { parquet, columns }: Compared,
  traces: readonly (ColumnTrace | undefined)[],
): Promise<number[]> {
  const all = traces.flatMap((wanted, i) =>
    wanted === undefined ? [] : [{ i, wanted, got: new ColumnTrace() }],
  );
  const asked = all.map(({ i }) => {
    const { name, type } = columns[i] as ComparedColumn;
    return askForPairs(type, identifier(name));
  });
  const pairs = new EnginePairs();
  const sql = `SELECT ${asked.join(', ')} FROM ${parquetRows(parquet)}`;
  for await (const chunk of duck.stream(sql, 'conversion-failed', UNREAD)) {
    const count = chunk.rowCount;
    for (const [at, { got }] of all.entries()) {
      got.addPairs(pairs.of(chunk.getColumnVector(at), count), pairs.kinds, count);
    }
  }
  return all
    .filter(({ wanted, got }) => {
      got.end();
      return wanted.firstOther(got) !== undefined;
    })
    .map(({ i }) => i);
}

async function compareValues(duck: Duck, at: Compared, only: ReadonlySet<number>): Promise<void> {
  const { read, parquet, columns } = at;
  const traces = () => new Map([...only].map((i) => [i, new ColumnTrace()]));
  const [wanted, got] = [traces(), traces()];
  await read((column, form) => (wanted.get(column) as ColumnTrace).add(form), only);
  const order = [...only];
  const asked = order.map((i) => columns[i] as ComparedColumn);
  for await (const chunk of madeOf(duck, parquet, asked)) {
    for (const [i, forms] of chunk.entries()) {
      const trace = got.get(order[i] as number) as ColumnTrace;
      for (const form of forms) trace.add(form);
    }
  }
  for (const trace of [...wanted.values(), ...got.values()]) trace.end();
  for (const [column, { name }] of columns.entries()) {
    const block = wanted.get(column)?.firstOther(got.get(column) as ColumnTrace);
    if (block === undefined) continue;
    throw changed(name, await firstRow(duck, { ...at, column, block }));
  }
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
  at: Compared & { readonly column: number; readonly block: number },
): Promise<number> {
  const { read, parquet, columns, column, block } = at;
  const [wanted, got] = [new Block(block), new Block(block)];
  await read((_, form) => wanted.add(form), new Set([column]));
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
    yield columns.map(({ forms }, i) =>
      chunk
        .getColumnValues(i)
        .map((value) => (value === null ? null : forms.ofEngine(value as EngineValue))),
    );
  }
}
