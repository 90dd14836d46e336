// SPDX-License-Identifier: Apache-2.0
// A plain Parquet file as CSV or JSON lines, by DuckDB in memory. The paths are this gateway's own,
// never anything that a peer chose.
import { readFile, rm } from 'node:fs/promises';
import { DuckDBInstance } from '@duckdb/node-api';

/** The file's rows as text: CSV with a header line, or one JSON object a line. */
export async function exportParquet(path: string, format: 'csv' | 'json'): Promise<Uint8Array> {
  const out = `${path}.${format}`;
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const options = format === 'csv' ? 'FORMAT csv, HEADER' : 'FORMAT json';
    await connection.run(
      `COPY (FROM read_parquet(${literal(path)})) TO ${literal(out)} (${options})`,
    );
    return new Uint8Array(await readFile(out));
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(out, { force: true });
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
