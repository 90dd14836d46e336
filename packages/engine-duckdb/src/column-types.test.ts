// SPDX-License-Identifier: Apache-2.0
// Every type that a column may have goes through an engine whole: least, greatest and absent.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COLUMN_TYPES, type EngineTable, isColumnType } from '@cloister/contract/policy';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, it, onTestFinished } from 'vitest';

import { duckdb, into } from '../testing/duckdb.ts';

const NINES = '9'.repeat(38);
/** By type, texts of its least value and of its greatest. */
const ENDS: Readonly<Record<string, readonly [string, string]>> = {
  BOOLEAN: ['false', 'true'],
  TINYINT: ['-128', '127'],
  SMALLINT: ['-32768', '32767'],
  INTEGER: ['-2147483648', '2147483647'],
  BIGINT: ['-9223372036854775808', '9223372036854775807'],
  UTINYINT: ['0', '255'],
  USMALLINT: ['0', '65535'],
  UINTEGER: ['0', '4294967295'],
  UBIGINT: ['0', '18446744073709551615'],
  FLOAT: ['-3.4028235e+38', 'nan'],
  DOUBLE: ['-1.7976931348623157e+308', '5e-324'],
  VARCHAR: ['', 'é\u{10ffff}'],
  BLOB: ['', '\\x00\\xFF'],
  UUID: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  DATE: ['0001-01-01', '9999-12-31'],
  TIME: ['00:00:00', '23:59:59.999999'],
  TIME_NS: ['00:00:00', '23:59:59.999999999'],
  TIMESTAMP: ['0001-01-01 00:00:00', '9999-12-31 23:59:59.999999'],
  TIMESTAMP_S: ['0001-01-01 00:00:00', '9999-12-31 23:59:59'],
  TIMESTAMP_MS: ['0001-01-01 00:00:00', '9999-12-31 23:59:59.999'],
  TIMESTAMP_NS: ['1700-01-01 00:00:00', '2262-04-11 23:47:16.854775806'],
  'TIMESTAMP WITH TIME ZONE': ['0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00'],
  'DECIMAL(2,2)': ['-.99', '.99'],
  'DECIMAL(12,2)': ['-9999999999.99', '9999999999.99'],
  'DECIMAL(38,0)': [`-${NINES}`, NINES],
};
const LIMITS = {
  memoryBytes: 256 * 1024 * 1024,
  threads: 1,
  timeMs: 20_000,
  outputRows: 10,
  outputBytes: 1024 * 1024,
  partBytes: 1024 * 1024,
};

it('every type of a column goes in and comes out, its least value and its greatest', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-types-'));
  const engine = duckdb();
  const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  onTestFinished(async () => {
    await engine.close();
    rmSync(folder, { recursive: true });
  });
  await db.run("SET TimeZone='UTC'");
  const columns = Object.keys(ENDS).map((type, at) => ({ id: at + 1, name: `c${at}`, type }));
  expect(columns.map(({ type }) => type)).toEqual(expect.arrayContaining([...COLUMN_TYPES]));
  const rowOf = (row: number) =>
    columns.map(({ name, type }) => {
      const text = ENDS[type]?.[row];
      const value = text === undefined ? 'NULL' : `'${text}'`;
      return `CAST(${value} AS ${type}) AS "${name}"`;
    });
  const rows = [0, 1, 2].map((row) => `SELECT ${rowOf(row).join(', ')}`);
  const file = join(folder, 'every.parquet');
  await db.run(`COPY (${rows.join(' UNION ALL ')}) TO '${file}'`);
  const every: EngineTable = { name: 'every', columns };
  const plan = await engine.plan({ code: 'SELECT * FROM every', tables: [every] });
  expect(plan.outputs).toEqual(columns.map((column) => ({ ...column, statement: 0 })));
  const tables = [{ ...every, granted: columns.map(({ id }) => id), files: [file] }];
  const result = join(folder, 'result.parquet');
  await engine.run({ plan, tables, limits: LIMITS, folder, take: into(result) });
  const texts = columns.map(({ name }) => `CAST("${name}" AS VARCHAR)`).join(', ');
  const out = await db.runAndReadAll(`SELECT ${texts} FROM read_parquet('${result}')`);
  expect(out.getColumnsJS()).toEqual(columns.map(({ type }) => [...(ENDS[type] ?? []), null]));
});

it.each(['HUGEINT', 'INTERVAL', 'DECIMAL(39,2)', 'DECIMAL(0,0)', 'DECIMAL(3,4)', 'bigint', ''])(
  '%j is the type of no column',
  (type) => expect(isColumnType(type)).toBe(false),
);
