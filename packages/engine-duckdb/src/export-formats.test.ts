// SPDX-License-Identifier: Apache-2.0
// Results in every format hold every value of every type exactly: least, greatest, absent, and what
// is no number. CSV is read by a parser of RFC 4180 and nothing more, JSON by JSON.parse, Arrow by
// Arrow's own reader; pyarrow reads the same files in the lane `interop`.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COLUMN_TYPES } from '@cloister/contract/policy';
import { toHex } from '@cloister/core';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { tableFromIPC, type Vector } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bitsOf, RAW, ROWS, SAMPLES, writeEveryType } from '../testing/every-type.ts';
import { type ExportFormat, exportParquet } from './parquet-export.ts';

const MIB = 1024 * 1024;
const LIMITS = { memoryBytes: 256 * MIB, outBytes: 16 * MIB, timeMs: 20_000 };
const TYPES = Object.keys(SAMPLES);
/** A folder whose name looks like a column of another one. */
const folder = join(mkdtempSync(join(tmpdir(), 'cloister-formats-')), 'region=north');
let db: DuckDBConnection;
let every: string;
let outs = 0;

beforeAll(async () => {
  mkdirSync(folder);
  db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  every = await writeEveryType(db, folder);
});
afterAll(() => {
  db.closeSync();
  rmSync(join(folder, '..'), { recursive: true });
});

async function exported(format: ExportFormat, file = every, columns = columnsOf(TYPES, TYPES)) {
  const out = join(folder, `out-${outs++}`);
  const facts = await exportParquet({ files: [file], columns, to: { format, out } }, LIMITS);
  return { facts, bytes: readFileSync(out) };
}

function columnsOf(names: readonly string[], types: readonly string[] = []) {
  return names.map((name, at) => ({ name, type: types[at] }));
}

async function parquet(sql: string): Promise<string> {
  const file = join(folder, `made-${outs++}.parquet`);
  await db.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`);
  return file;
}

/** Fields of RFC 4180, each with whether it stood in quotes. */
function csvOf(text: string): { text: string; quoted: boolean }[][] {
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\n)/y;
  const lines: { text: string; quoted: boolean }[][] = [[]];
  while (field.lastIndex < text.length) {
    const [, quoted, plain = '', end] = field.exec(text) ?? [];
    if (end === undefined) throw new Error('not RFC 4180');
    const value = quoted?.replaceAll('""', '"') ?? plain;
    lines.at(-1)?.push({ text: value, quoted: quoted !== undefined });
    if (end === '\n') lines.push([]);
  }
  lines.pop();
  return lines;
}

it('the samples are of all types', () => {
  expect(TYPES).toEqual(expect.arrayContaining([...COLUMN_TYPES]));
});

describe('every value of every type', () => {
  it('is in CSV as its text, and NULL is told from the empty text', async () => {
    const { facts, bytes } = await exported('csv');
    const [header, ...rows] = csvOf(bytes.toString());
    expect(header?.map(({ text }) => text)).toEqual(TYPES);
    expect(rows).toHaveLength(ROWS);
    rows.forEach((row, at) => {
      const values = row.map(({ text, quoted }) => (text === '' && !quoted ? null : text));
      expect(values).toEqual(TYPES.map((type) => SAMPLES[type]?.[at]?.text ?? null));
    });
    expect(facts.rows).toBe(ROWS);
    const nulls = TYPES.map((type) => ROWS - (SAMPLES[type]?.length ?? 0));
    expect(facts.columns.map((column) => column.nulls)).toEqual(nulls);
  });

  it.each(['json', 'jsonl'] as const)(
    'is in %s as a number that holds it, or a text',
    async (form) => {
      const text = (await exported(form)).bytes.toString();
      const rows: Record<string, unknown>[] =
        form === 'json'
          ? JSON.parse(text)
          : text
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line));
      expect(rows).toHaveLength(ROWS);
      const small = new Set(['BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER']);
      for (const type of ['UTINYINT', 'USMALLINT', 'UINTEGER']) small.add(type);
      rows.forEach((row, at) => {
        for (const type of TYPES) {
          const wanted = SAMPLES[type]?.[at];
          const value = row[type];
          if (wanted === undefined) expect([type, value]).toEqual([type, null]);
          else if (small.has(type)) expect([type, value]).toEqual([type, JSON.parse(wanted.text)]);
          else if (typeof value === 'number') expect(bitsOf(value)).toBe(wanted.raw);
          else expect([type, value]).toEqual([type, wanted.text]);
        }
      });
    },
  );

  it('is in Arrow as what it is beneath', async () => {
    const table = tableFromIPC((await exported('arrow')).bytes);
    expect(table.schema.names).toEqual(TYPES);
    expect(TYPES.map((_, at) => rawOf(table.getChildAt(at) as Vector))).toEqual(RAW);
  });
});

/** Values beneath Arrow's types; of one batch. */
function rawOf(vector: Vector): (string | null)[] {
  const [data] = vector.data;
  const values = data?.values as { [row: number]: unknown };
  return Array.from({ length: vector.length }, (_, row) => {
    if (!vector.isValid(row)) return null;
    const name = `${vector.type}`;
    if (name.startsWith('Decimal')) {
      const words = new DataView(new Uint32Array(vector.get(row)).buffer);
      return `${(words.getBigInt64(8, true) << 64n) | words.getBigUint64(0, true)}`;
    }
    if (name.startsWith('Float')) return bitsOf(vector.get(row));
    if (/^(Timestamp|Time|Date)/.test(name)) return `${values[row]}`;
    const value: unknown = vector.get(row);
    return value instanceof Uint8Array ? toHex(value) : `${value}`;
  });
}

describe('a result of one column', () => {
  it('has no empty line in CSV, whatever is absent or empty', async () => {
    const text = async (sql: string) =>
      (await exported('csv', await parquet(sql), columnsOf(['a']))).bytes.toString();
    expect(await text("SELECT unnest([NULL, '', 'NULL']) AS a")).toBe('"a"\nNULL\n""\n"NULL"\n');
    expect(await text("SELECT unnest(['', '\\x01'])::BLOB AS a")).toBe('"a"\n""\n"AQ=="\n');
    expect(await text('SELECT unnest([NULL, 1]) AS a')).toBe('a\nNULL\n1\n');
  });
});

describe('a result without rows', () => {
  it.each([
    ['csv', 'a,b\n'],
    ['json', /^\[\s*\]\n$/],
    ['jsonl', /^$/],
    ['arrow', /^ARROW1/],
  ] as const)('has its columns in %s, where the format has any', async (format, wanted) => {
    const file = await parquet("SELECT 1 AS a, 'x' AS b WHERE false");
    const { facts, bytes } = await exported(format, file, columnsOf(['a', 'b']));
    expect(facts).toEqual({
      rows: 0,
      columns: [
        { name: 'a', type: 'INTEGER', nulls: 0 },
        { name: 'b', type: 'VARCHAR', nulls: 0 },
      ],
    });
    expect(bytes.toString()).toMatch(wanted);
    if (format !== 'arrow') return;
    const table = tableFromIPC(bytes);
    expect([table.numRows, table.schema.names]).toEqual([0, ['a', 'b']]);
  });
});

describe('names of columns', () => {
  const odd = ['a "b",\nc', "it's", '__proto__', 'c0', 'é', 'É', ' ', '-1', 'SELECT'];

  it.each(['csv', 'json', 'jsonl', 'arrow'] as const)(
    'are kept in %s, whatever they are',
    async (format) => {
      const file = await parquet(`SELECT ${odd.map((_, at) => `${at} AS "n${at}"`).join(', ')}`);
      const { bytes } = await exported(format, file, columnsOf(odd));
      const text = bytes.toString();
      const names = {
        csv: () => csvOf(text)[0]?.map((field) => field.text),
        json: () => Object.keys(JSON.parse(text)[0]),
        jsonl: () => Object.keys(JSON.parse(text)),
        arrow: () => tableFromIPC(bytes).schema.names,
      };
      expect(names[format]()).toEqual(odd);
    },
  );

  it('are the only ones: the path of the file adds none', async () => {
    const file = await parquet('SELECT 1 AS a');
    expect(file).toContain('region=north');
    expect((await exported('csv', file, columnsOf(['a']))).bytes.toString()).toBe('a\n1\n');
  });

  it.each([
    ['twice', 'SELECT 1 AS a, 2 AS b', ['a', 'a'], []],
    ['twice but for case', 'SELECT 1 AS a, 2 AS b', ['a', 'A'], []],
    ['fewer than the file has', 'SELECT 1 AS a, 2 AS b', ['a'], []],
    ['more than the file has', 'SELECT 1 AS a', ['a', 'b'], []],
    ['of another type than was said', 'SELECT 1 AS a', ['a'], ['BIGINT']],
    ['of no type of columns', "SELECT {'secret': 1} AS a", ['a'], []],
  ])('%s are refused', async (_what, sql, names, types) => {
    const refused = exported('csv', await parquet(sql), columnsOf(names, types));
    await expect(refused).rejects.toMatchObject({
      code: 'engine-columns-differ',
      message: expect.not.stringContaining('secret'),
    });
  });
});

it('more rows than a batch of Arrow are all there, in order', async () => {
  const file = await parquet("SELECT range AS a, 'text ' || range AS b FROM range(10000)");
  const table = tableFromIPC((await exported('arrow', file, columnsOf(['a', 'b']))).bytes);
  expect(table.numRows).toBe(10_000);
  expect(table.batches.length).toBeGreaterThan(1);
  expect(table.get(9_999)?.toJSON()).toEqual({ a: 9_999n, b: 'text 9999' });
});
