// SPDX-License-Identifier: Apache-2.0
// Plain Parquet for tests of engines: rows are written and read by a DuckDB of the test's own,
// whose values come and go as JSON has them.
import { DuckDBInstance } from '@duckdb/node-api';

/** A cell: numbers beyond a double's reach are texts. */
export type Cell = string | number | boolean | null;

export interface TestTables {
  /** Rows of some columns, in the order of the files. */
  read(files: readonly string[], columns?: readonly string[]): Promise<Cell[][]>;
  names(file: string): Promise<string[]>;
  write(
    file: string,
    columns: readonly { readonly name: string; readonly type: string }[],
    rows: readonly (readonly Cell[])[],
  ): Promise<void>;
  close(): void;
}

const name = (text: string) => `"${text.replaceAll('"', '""')}"`;
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;

export async function testTables(): Promise<TestTables> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const db = await instance.connect();
  const from = (files: readonly string[]) => `read_parquet([${files.map(text).join(',')}])`;
  return {
    read: async (files, columns) => {
      const what = columns === undefined ? '*' : columns.map(name).join(', ');
      const reader = await db.runAndReadAll(`SELECT ${what} FROM ${from(files)}`);
      return reader.getRowsJson() as Cell[][];
    },
    names: async (file) => {
      const reader = await db.runAndReadAll(`DESCRIBE SELECT * FROM ${from([file])}`);
      return reader.getRows().map(([column]) => String(column));
    },
    write: async (file, columns, rows) => {
      const fields = columns.map((c) => `${name(c.name)} ${c.type}`).join(', ');
      await db.run(`CREATE OR REPLACE TABLE written (${fields})`);
      for (let at = 0; at < rows.length; at += 1_000) {
        const values = rows.slice(at, at + 1_000).map((row) => {
          return `(${row.map((cell) => (cell === null ? 'NULL' : text(String(cell)))).join(',')})`;
        });
        await db.run(`INSERT INTO written VALUES ${values.join(',')}`);
      }
      await db.run(`COPY written TO ${text(file)} (FORMAT parquet)`);
    },
    close: () => {
      db.closeSync();
      instance.closeSync();
    },
  };
}
