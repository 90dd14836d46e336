// SPDX-License-Identifier: Apache-2.0
// Files go in as people have them and come out as one plain Parquet file whose values are read back
// by another reader; files that lie are refused with their exact code, and nothing is left behind.

import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '@cloister/core';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConvertOptions, convertToParquet } from './convert.ts';
import { type InspectOptions, inspectInput } from './inspect.ts';

const shared = new URL('../../../../../shared/', import.meta.url);
const hasShared = existsSync(shared);

let root = '';
let count = 0;
let instance: DuckDBInstance;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-ingest-'));
  instance = await DuckDBInstance.create(':memory:', { threads: '1' });
});
afterAll(async () => {
  instance.closeSync();
  await rm(root, { recursive: true, force: true });
});

/** A folder of its own with one file in it. */
async function given(name: string, content: string | Uint8Array): Promise<string> {
  const folder = join(root, String(count++));
  await mkdir(folder);
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

async function rowsOf(parquet: string): Promise<unknown[]> {
  return query(`SELECT * FROM read_parquet('${parquet}')`);
}

async function query(sql: string): Promise<unknown[]> {
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

/** Converts, reads back, and checks that the folder holds only the input and the output. */
async function through(path: string, options: ConvertOptions = {}): Promise<unknown[]> {
  const out = join(path, '..', 'out.parquet');
  const converted = await convertToParquet(path, out, options);
  const left = await readdir(join(path, '..'));
  expect(left.filter((name) => !path.endsWith(name))).toEqual(['out.parquet']);
  const rows = await rowsOf(out);
  expect(rows).toHaveLength(converted.rows);
  return rows;
}

describe('CSV', () => {
  const rows = [
    ['1', 'x', null],
    ['2', 'two\nlines', '2024-02-29'],
    [null, 'a "quote", and a comma', '1999-12-31'],
  ];
  const text = [
    'id,free text,day',
    '1,x,',
    '2,"two\nlines",2024-02-29',
    ',"a ""quote"", and a comma",1999-12-31',
  ].join('\n');

  it.each([
    ['LF', text],
    ['LF at the end', `${text}\n`],
    ['a byte-order mark', `\ufeff${text}`],
    ['blank lines at the end', `${text}\n\n\n`],
    ['CRLF', text.replace(/\n/g, '\r\n')],
    ['CR', text.replace(/\n/g, '\r')],
    ['CRLF outside, LF inside quotes', text.replace(/\n(?!lines)/g, '\r\n')],
    ['semicolons', text.replace(/,(?! and)/g, ';')],
    ['tabs', text.replace(/,(?! and)/g, '\t')],
  ])('with %s', async (_, content) => {
    const path = await given('t.csv', content);
    const inspection = await inspectInput(path);
    expect(inspection.columns).toEqual([
      { name: 'id', type: 'BIGINT', nulls: 1 },
      { name: 'free text', type: 'VARCHAR', nulls: 0 },
      { name: 'day', type: 'DATE', nulls: 1 },
    ]);
    expect(inspection.rows).toBe(3);
    const inner = /two(\r\n|\r|\n)lines/.exec(content)?.[1] ?? '';
    const wanted = rows.map((row) => row.map((cell) => cell?.replace('\n', inner) ?? null));
    expect(await through(path)).toEqual(wanted);
  });

  it('says that the delimiter is not a comma', async () => {
    const path = await given('t.csv', 'a;b\n1,5;2\n');
    const { warnings, columns } = await inspectInput(path);
    expect(warnings).toEqual([expect.stringContaining('separated by ";"')]);
    expect(columns.map((column) => column.type)).toEqual(['VARCHAR', 'BIGINT']);
  });

  it('keeps column names with dots, quotes, spaces and other scripts', async () => {
    const path = await given('t.csv', 'a.b.c,"say ""hi""",o\'clock,年龄, padded \n1,2,3,4,5\n');
    const out = join(path, '..', 'out.parquet');
    const { columns } = await convertToParquet(path, out);
    const names = ['a.b.c', 'say "hi"', "o'clock", '年龄', ' padded '];
    expect(columns.map((column) => column.name)).toEqual(names);
    const described = await query(`DESCRIBE SELECT * FROM read_parquet('${out}')`);
    expect(described.map((row) => (row as string[])[0])).toEqual(names);
  });

  it('reads files and writes folders whose names look like patterns', async () => {
    const folder = join(root, "it's [a] *folder*?");
    await mkdir(folder);
    const path = join(folder, "in[1]*'.csv");
    await writeFile(path, 'a\n1\n');
    expect(await codeOf(convertToParquet(path, join(folder, "out'[2].parquet")))).toBe('accepted');
    const parquet = join(folder, 'copy*.parquet');
    expect(await codeOf(convertToParquet(join(folder, "out'[2].parquet"), parquet))).toBe(
      'accepted',
    );
    expect(existsSync(parquet)).toBe(true);
  });

  it('without a header numbers its columns', async () => {
    const path = await given('t.csv', '1,2\n3,4\n');
    expect(await codeOf(inspectInput(path))).toBe('csv-header-suspicious');
    const { columns, rows } = await inspectInput(path, { header: false });
    expect(columns.map((column) => column.name)).toEqual(['column1', 'column2']);
    expect(rows).toBe(2);
    expect(await through(path, { header: false })).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  it('shows values only when asked', async () => {
    const path = await given('t.csv', 'a,b\n1,\n2,x\n3,y\n');
    expect(JSON.stringify(await inspectInput(path))).not.toMatch(/samples/);
    const { columns } = await inspectInput(path, { samples: 2 });
    expect(columns.map((column) => column.samples)).toEqual([
      ['1', '2'],
      ['x', 'y'],
    ]);
  });

  it('takes the types that the owner chose', async () => {
    const path = await given('t.csv', 'zip,money,n\n01234,1.10,"7"\n99999,2.05,""\n');
    const types = { money: 'decimal(10,2)', n: 'INTEGER', zip: 'VARCHAR' };
    expect(await through(path, { types })).toEqual([
      ['01234', '1.10', 7],
      ['99999', '2.05', null],
    ]);
  });

  it.each([
    [{ a: 'INTEGER' }, 'value-not-of-type'],
    [{ b: 'TINYINT' }, 'value-not-of-type'],
    [{ b: 'BLOB' }, 'column-type-unknown'],
    [{ b: 'INTEGER); DROP' }, 'column-type-unknown'],
    [{ b: 'DECIMAL(39,0)' }, 'column-type-unknown'],
    [{ c: 'INTEGER' }, 'column-unknown'],
    [{ toString: 'INTEGER' }, 'column-unknown'],
  ])('refuses the choice %j', async (types, code) => {
    const path = await given('t.csv', 'a,b\n1,1\nsecret,300\n');
    const out = join(path, '..', 'out.parquet');
    const error = await convertToParquet(path, out, { types }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toMatch(/secret|300/);
    if (code === 'value-not-of-type') expect(String(error)).toMatch(/1 of its values .* row 2/);
    expect(await readdir(join(path, '..'))).toEqual(['t.csv']);
  });

  it('of many rows keeps every one, in order, in groups of the size asked for', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `${i},"line ${i}\n,",${i / 8}`);
    const path = await given('t.csv', `i,t,d\n${lines.join('\n')}`);
    const out = join(path, '..', 'out.parquet');
    await convertToParquet(path, out, { rowGroupSize: 8192 });
    const same = "t = 'line ' || i || chr(10) || ',' AND d = i / 8.0 AND i = file_row_number";
    const sql = `SELECT count(*), bool_and(${same})
      FROM read_parquet('${out}', file_row_number=true)`;
    expect(await query(sql)).toEqual([['50000', true]]);
    const groups = await query(
      `SELECT DISTINCT row_group_num_rows, compression FROM parquet_metadata('${out}') ORDER BY 1`,
    );
    expect(groups).toContainEqual(['8192', 'ZSTD']);
    expect(groups.every((group) => Number((group as string[])[0]) <= 8192)).toBe(true);
  });

  it('of one very long value is read whole', async () => {
    const path = await given('t.csv', `a,b\n"${'x"",\n'.repeat(500_000)}",1\n`);
    const out = join(path, '..', 'out.parquet');
    await convertToParquet(path, out);
    expect(await query(`SELECT length(a) FROM read_parquet('${out}')`)).toEqual([['2000000']]);
  });
});

describe('JSON lines', () => {
  it('become columns in order of appearance', async () => {
    const text = [
      '{"id": 12345678901234567, "name": "Zoë", "ok": true}',
      '',
      '{"name": null, "later": -1.5e3, "id": 2, "day": "2024-01-01"}\r',
      '{"name": "", "later": 2}',
    ].join('\n');
    const path = await given('t.jsonl', text);
    expect((await inspectInput(path)).columns).toEqual([
      { name: 'id', type: 'BIGINT', nulls: 1 },
      { name: 'name', type: 'VARCHAR', nulls: 1 },
      { name: 'ok', type: 'BOOLEAN', nulls: 2 },
      { name: 'later', type: 'DOUBLE', nulls: 1 },
      { name: 'day', type: 'DATE', nulls: 2 },
    ]);
    expect(await through(path)).toEqual([
      ['12345678901234567', 'Zoë', true, null, null],
      ['2', null, null, -1500, '2024-01-01'],
      [null, '', null, 2, null],
    ]);
  });

  it.each([
    ['{"a": 1', 'json-line-malformed', 1],
    ['{"a": 1}\n{"a": }', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": 01}', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a" 1}', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": 1,}', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": 1} x', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": "x', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": "\\x"}', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": "\\ud800"}', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": "tab\t"}', 'json-line-malformed', 2],
    ['{"a": 1}\n{"a": NaN}', 'json-line-malformed', 2],
    ['{"a": 1}\n[1]', 'json-line-malformed', 2],
    ['{"a": 1, "a": 2}', 'json-line-malformed', 1],
    ['{"a": 1}\n{"a": {"b": 1}}', 'json-nested', 2],
    ['{"a": 1}\n{"a": [1]}', 'json-nested', 2],
  ])('%j: %s', async (text, code, line) => {
    const error = await inspectInput(await given('t.jsonl', text)).catch((e: unknown) => e);
    expect(error).toMatchObject({ code, details: { line } });
  });
});

describe('files that lie', () => {
  const gzip = Uint8Array.of(0x1f, 0x8b, 8, 0);
  const cases: readonly [string, string, string | Uint8Array, string, InspectOptions?][] = [
    ['an empty file', 't.csv', '', 'input-empty'],
    ['an empty Parquet', 't.parquet', '', 'input-empty'],
    ['a byte-order mark alone', 't.csv', '\ufeff', 'input-no-rows'],
    ['a header alone', 't.csv', 'a,b\n', 'input-no-rows'],
    ['blank lines alone', 't.csv', '\n\n', 'input-no-rows'],
    ['blank JSON lines', 't.jsonl', '\n\n', 'input-format-mismatch'],
    ['objects without keys', 't.jsonl', '{}\n{}\n', 'input-no-rows'],
    ['a short row', 't.csv', 'a,b\n1,2\n3\n', 'csv-row-ragged'],
    ['a long row', 't.csv', 'a,b\n1,2,3\n', 'csv-row-ragged'],
    ['a blank line inside', 't.csv', 'a,b\n\n1,2\n', 'csv-row-ragged'],
    ['a blank line inside one column', 't.csv', 'a\n1\n\n2\n', 'csv-row-ragged'],
    ['a stray quote', 't.csv', 'a,b\n1,x"y\n', 'csv-quote-stray'],
    ['an unclosed quote', 't.csv', 'a,b\n1,"x\n', 'csv-quote-unterminated'],
    ['an empty name', 't.csv', 'a,,c\n1,2,3\n', 'column-name-empty'],
    ['a name of spaces', 't.csv', 'a,  \n1,2\n', 'column-name-empty'],
    ['a name twice', 't.csv', 'a,b,a\n1,2,3\n', 'column-name-duplicate'],
    ['a name twice but for case', 't.csv', 'Age,AGE\n1,2\n', 'column-name-duplicate'],
    ['a name with a line end', 't.csv', '"a\nb",c\n1,2\n', 'column-name-malformed'],
    ['a name too long', 't.csv', `${'x'.repeat(256)}\n1\n`, 'column-name-malformed'],
    [
      'too many columns',
      't.csv',
      `${Array.from({ length: 10_001 }, (_, i) => `c${i}`)}\n`,
      'too-many-columns',
    ],
    ['a header of numbers', 't.csv', '1,2\n3,4\n', 'csv-header-suspicious'],
    ['a spreadsheet hint', 't.csv', 'sep=;\na;b\n1;2\n', 'csv-header-suspicious'],
    ['UTF-16', 't.csv', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'input-not-utf8'],
    ['Latin-1', 't.csv', Buffer.from('a,b\n1,é\n', 'latin1'), 'input-not-utf8'],
    ['a cut character', 't.csv', Buffer.from('a\né').subarray(0, 3), 'input-not-utf8'],
    ['zero bytes', 't.csv', 'a,b\n1,\0\n', 'input-not-text'],
    ['a spreadsheet', 't.csv', 'PK\u0003\u0004rest', 'input-not-text'],
    ['gzip', 't.csv', gzip, 'input-compressed'],
    ['JSON lines called CSV', 't.csv', '{"a": 1}\n', 'input-format-mismatch'],
    ['CSV called JSON lines', 't.jsonl', 'a,b\n1,2\n', 'input-format-mismatch'],
    ['CSV called Parquet', 't.parquet', 'a,b\n1,2\n', 'input-format-mismatch'],
    ['CSV declared Parquet', 't.csv', 'a,b\n1,2\n', 'input-format-mismatch', { format: 'parquet' }],
    ['a lie in the upload name', 'x', '{"a": 1}\n', 'input-format-mismatch', { name: 't.csv' }],
    ['a JSON array', 't.jsonl', '[{"a": 1}]', 'json-not-lines'],
    ['a JSON array called nothing', 't', ' [ {"a": 1} ]', 'json-not-lines'],
    ['Parquet magic alone', 't.parquet', 'PAR1', 'parquet-truncated'],
    ['Parquet magic twice', 't.parquet', 'PAR1PAR1', 'parquet-truncated'],
    [
      'a Parquet footer that lies',
      't.parquet',
      'PAR1xxxx\u00ff\u0000\u0000\u0000PAR1',
      'parquet-truncated',
    ],
    [
      'a Parquet of noise',
      't.parquet',
      `PAR1${'x'.repeat(50)}\u0020\u0000\u0000\u0000PAR1`,
      'parquet-malformed',
    ],
    ['an encrypted footer', 't.parquet', `PARE${'x'.repeat(20)}PARE`, 'parquet-encrypted'],
  ];

  it.each(cases)('%s', async (_, name, content, code, options) => {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    const path = await given(name, bytes);
    expect(await codeOf(inspectInput(path, options))).toBe(code);
    const out = join(path, '..', 'out.parquet');
    expect(await codeOf(convertToParquet(path, out, options))).toBe(code);
    expect(await readdir(join(path, '..'))).toEqual([name]);
  });

  it('name the line', async () => {
    const rows = Array.from({ length: 9000 }, (_, i) => `${i},${'x'.repeat(300)}`);
    rows[8000] = '1';
    const path = await given('t.csv', `a,b\n${rows.join('\n')}\n`);
    await expect(inspectInput(path)).rejects.toThrow(/^line 8002 has 1 fields, wanted 2/);
    rows[8000] = '1,\udcff';
    const bytes = Buffer.from(`a,b\n${rows.join('\n')}\n`, 'utf8');
    bytes[bytes.indexOf('\ufffd')] = 0xff;
    await expect(inspectInput(await given('u.csv', bytes))).rejects.toThrow(/line 8002/);
  });

  it('are not there, or are folders', async () => {
    expect(await codeOf(inspectInput(join(root, 'nowhere.csv')))).toBe('input-unreadable');
    expect(await codeOf(inspectInput(root))).toBe('input-unreadable');
    expect(await codeOf(convertToParquet(root, join(root, 'x.parquet')))).toBe('input-unreadable');
  });

  it('are never written over', async () => {
    const path = await given('t.csv', 'a\n1\n');
    expect(await codeOf(convertToParquet(path, path))).toBe('output-exists');
    expect(await readFile(path, 'utf8')).toBe('a\n1\n');
  });

  it('cannot be written where nobody may write', async () => {
    const path = await given('t.csv', 'a\n1\n');
    const folder = join(root, String(count++));
    await mkdir(folder);
    await chmod(folder, 0o500);
    const target = process.getuid?.() === 0 ? join(folder, 'no', 'out') : join(folder, 'out');
    expect(await codeOf(convertToParquet(path, target))).toBe('conversion-failed');
  });
});

describe('Parquet', () => {
  async function made(sql: string): Promise<string> {
    const path = await given('empty', '');
    const parquet = join(path, '..', 't.parquet');
    await rm(path);
    await query(`COPY (${sql}) TO '${parquet}' (FORMAT parquet)`);
    return parquet;
  }

  it('keeps its types and values', async () => {
    const path = await made(
      `SELECT 1::INTEGER AS "a.b", 1.25::DECIMAL(9,2) AS d, 'x' AS s, DATE '2024-01-01' AS day,
        NULL::DOUBLE AS nothing UNION ALL SELECT 2, 2.50, NULL, NULL, NULL`,
    );
    const inspection = await inspectInput(path, { samples: 1 });
    expect(inspection.columns).toEqual([
      { name: 'a.b', type: 'INTEGER', nulls: 0, samples: ['1'] },
      { name: 'd', type: 'DECIMAL(9,2)', nulls: 0, samples: ['1.25'] },
      { name: 's', type: 'VARCHAR', nulls: 1, samples: ['x'] },
      { name: 'day', type: 'DATE', nulls: 1, samples: ['2024-01-01'] },
      { name: 'nothing', type: 'DOUBLE', nulls: 2, samples: [] },
    ]);
    expect(inspection.warnings).toEqual(['column nothing holds no value at all']);
    expect(await through(path, { types: { 'a.b': 'VARCHAR' } })).toEqual([
      ['1', '1.25', 'x', '2024-01-01', null],
      ['2', '2.50', null, null, null],
    ]);
  });

  it.each([
    ['lists', 'SELECT [1, 2] AS a', 'column-type-unsupported'],
    ['structs', 'SELECT {b: 1} AS a', 'column-type-unsupported'],
    ['no rows', 'SELECT 1 AS a WHERE false', 'input-no-rows'],
  ])('of %s is refused', async (_, sql, code) => {
    expect(await codeOf(inspectInput(await made(sql)))).toBe(code);
  });

  it('cut or changed anywhere is refused or read, and never ends the process', async () => {
    const whole = await readFile(
      await made("SELECT range AS a, 'text ' || range AS b FROM range(50)"),
    );
    const cut = await given('cut.parquet', '');
    for (let length = 4; length < whole.length; length += 17) {
      await writeFile(cut, whole.subarray(0, length));
      expect(await codeOf(inspectInput(cut))).toBe('parquet-truncated');
    }
    for (let at = 0; at < whole.length; at += 23) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x55;
      await writeFile(cut, changed);
      expect(await codeOf(inspectInput(cut))).toMatch(/^(accepted|parquet-|column-|input-)/);
    }
  });
});

describe.skipIf(!hasShared)('real files [skip: shared]', () => {
  it('30,000 credit accounts, with a column name that holds dots', async () => {
    const path = new URL('data/credit-default/credit-default-clients.csv', shared).pathname;
    const out = join(root, 'credit.parquet');
    const inspection = await inspectInput(path);
    expect(inspection).toMatchObject({ format: 'csv', rows: 30_000, warnings: [] });
    expect(inspection.columns).toHaveLength(25);
    expect(inspection.columns.every((c) => c.type === 'BIGINT' && c.nulls === 0)).toBe(true);
    expect(inspection.columns.at(-1)?.name).toBe('default.payment.next.month');
    await convertToParquet(path, out);
    const difference = `SELECT count(*) FROM (
      (SELECT * FROM read_parquet('${out}') EXCEPT ALL SELECT * FROM read_csv('${path}'))
      UNION ALL
      (SELECT * FROM read_csv('${path}') EXCEPT ALL SELECT * FROM read_parquet('${out}')))`;
    expect(await query(difference)).toEqual([['0']]);
  });

  it('apache/parquet-testing: plain is read, encrypted is refused in every mode', async () => {
    const folder = new URL('vectors/parquet/', shared).pathname;
    expect((await inspectInput(join(folder, 'alltypes_plain.parquet'))).rows).toBe(8);
    const names = (await readdir(folder)).filter((name) => name.endsWith('.parquet.encrypted'));
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      expect(await codeOf(inspectInput(join(folder, name))), name).toBe('parquet-encrypted');
    }
  });
});
