// SPDX-License-Identifier: Apache-2.0
// pyarrow reads what a recipient saves: every value of every type from Arrow, Parquet and CSV as it
// was, and so does Python's own parser of JSON. Runs in the lane `interop`; CLOISTER_PYTHON names
// an interpreter that has pyarrow.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bitsOf, RAW, ROWS, SAMPLES, writeEveryType } from '../testing/every-type.ts';
import { exportParquet } from './parquet-export.ts';

const SCRIPT = fileURLToPath(new URL('../interop/read_result.py', import.meta.url));
const LIMITS = { memoryBytes: 256 * 2 ** 20, outBytes: 16 * 2 ** 20, timeMs: 60_000 };
const TYPES = Object.keys(SAMPLES);

interface Table {
  readonly names: string[];
  readonly types: string[];
  readonly raw: (string | null)[][];
  readonly texts: (string | number | boolean | null)[][];
}

let folder: string;
let seen: Record<'arrow' | 'parquet' | 'csv' | 'json', Table>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cloister-interop-'));
  const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  const parquet = await writeEveryType(db, folder);
  db.closeSync();
  const files: Record<string, string> = { parquet };
  const columns = TYPES.map((type) => ({ name: type, type }));
  for (const format of ['arrow', 'csv', 'json'] as const) {
    const out = join(folder, `every.${format}`);
    await exportParquet({ files: [parquet], columns, to: { format, out } }, LIMITS);
    files[format] = out;
  }
  const python = process.env['CLOISTER_PYTHON'] ?? 'python3';
  seen = JSON.parse(execFileSync(python, [SCRIPT], { input: JSON.stringify(files) }).toString());
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Types as pyarrow calls them, where its name is not ours in lower case. */
const ARROW: Readonly<Record<string, string>> = {
  BOOLEAN: 'bool',
  TINYINT: 'int8',
  SMALLINT: 'int16',
  INTEGER: 'int32',
  BIGINT: 'int64',
  UTINYINT: 'uint8',
  USMALLINT: 'uint16',
  UINTEGER: 'uint32',
  UBIGINT: 'uint64',
  VARCHAR: 'string',
  BLOB: 'binary',
  UUID: 'extension<arrow.uuid>',
  DATE: 'date32[day]',
  TIME: 'time64[us]',
  TIME_NS: 'time64[ns]',
  TIMESTAMP: 'timestamp[us]',
  TIMESTAMP_S: 'timestamp[s]',
  TIMESTAMP_MS: 'timestamp[ms]',
  TIMESTAMP_NS: 'timestamp[ns]',
  'TIMESTAMP WITH TIME ZONE': 'timestamp[us, tz=UTC]',
};
const typeOf = (type: string) => {
  return ARROW[type] ?? type.toLowerCase().replace(/decimal\((\d+),(\d+)\)/, 'decimal128($1, $2)');
};

test('Arrow has every value and every type', () => {
  expect(seen.arrow.names).toEqual(TYPES);
  expect(seen.arrow.types).toEqual(TYPES.map(typeOf));
  expect(Object.fromEntries(TYPES.map((type, at) => [type, seen.arrow.raw[at]]))).toEqual(
    Object.fromEntries(TYPES.map((type, at) => [type, RAW[at]])),
  );
});

test('Parquet has every value; whole seconds are microseconds there', () => {
  expect(seen.parquet.names).toEqual(TYPES);
  const types = TYPES.map((type) => typeOf(type === 'TIMESTAMP_S' ? 'TIMESTAMP' : type));
  expect(seen.parquet.types).toEqual(types);
  TYPES.forEach((type, at) => {
    const micros = (raw: string | null) => (raw === null ? null : `${BigInt(raw) * 1_000_000n}`);
    const wanted = type === 'TIMESTAMP_S' ? RAW[at]?.map(micros) : RAW[at];
    expect([type, seen.parquet.raw[at]]).toEqual([type, wanted]);
  });
});

test('CSV has every text, and tells NULL from the empty one', () => {
  expect(seen.csv.names).toEqual(TYPES);
  TYPES.forEach((type, at) => {
    const texts = Array.from({ length: ROWS }, (_, row) => SAMPLES[type]?.[row]?.text ?? null);
    expect([type, seen.csv.texts[at]]).toEqual([type, texts]);
  });
});

test('JSON has every value, and no word that is not of JSON', () => {
  expect(seen.json.names).toEqual(TYPES);
  TYPES.forEach((type, at) => {
    const got = seen.json.texts[at]?.map((value, row) => {
      // A real that went through Python is compared by its bits.
      const wanted = SAMPLES[type]?.[row];
      const real = typeof value === 'number' && (type === 'FLOAT' || type === 'DOUBLE');
      return real && bitsOf(value) === wanted?.raw
        ? wanted.text
        : value === null
          ? null
          : `${value}`;
    });
    const texts = Array.from({ length: ROWS }, (_, row) => SAMPLES[type]?.[row]?.text ?? null);
    expect([type, got]).toEqual([type, texts]);
  });
});
