// SPDX-License-Identifier: Apache-2.0
// Files go in as people have them and come out as one plain Parquet file, whose values another
// reader gives back; nothing is left beside it.
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, Desk, warningsOf } from '../../testing/ingest.ts';
import { type ConvertOptions, convertToParquet } from './convert.ts';
import { inspectInput } from './inspect.ts';

const shared = new URL('../../../../../shared/', import.meta.url);
const hasShared = existsSync(shared);

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** Converts, reads back, and checks that the folder holds only the input and the output. */
async function through(path: string, options: ConvertOptions = {}): Promise<unknown[]> {
  const out = join(path, '..', 'out.parquet');
  const converted = await convertToParquet(path, out, options);
  const left = await readdir(join(path, '..'));
  expect(left.filter((name) => !path.endsWith(name))).toEqual(['out.parquet']);
  const rows = await desk.query(`SELECT * FROM read_parquet('${out}')`);
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
    const path = await desk.given('t.csv', content);
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

  it('keeps column names with dots, quotes, spaces and other scripts', async () => {
    const path = await desk.given(
      't.csv',
      'a.b.c,"say ""hi""",o\'clock,年龄, padded \n1,2,3,4,5\n',
    );
    const out = join(path, '..', 'out.parquet');
    const { columns } = await convertToParquet(path, out);
    const names = ['a.b.c', 'say "hi"', "o'clock", '年龄', ' padded '];
    expect(columns.map((column) => column.name)).toEqual(names);
    const described = await desk.query(`DESCRIBE SELECT * FROM read_parquet('${out}')`);
    expect(described.map((row) => (row as string[])[0])).toEqual(names);
  });

  it('reads files and writes folders whose names look like patterns', async () => {
    const folder = join(desk.root, "it's [a] *folder*?");
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
    const path = await desk.given('t.csv', '1,2\n3,4\n');
    expect(await codeOf(inspectInput(path))).toBe('csv-header-suspicious');
    const { columns, rows } = await inspectInput(path, { dialect: { header: false } });
    expect(columns.map((column) => column.name)).toEqual(['column1', 'column2']);
    expect(rows).toBe(2);
    expect(await through(path, { dialect: { header: false } })).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  it('shows values only when asked', async () => {
    const path = await desk.given('t.csv', 'a,b\n1,\n2,x\n3,y\n');
    expect(JSON.stringify(await inspectInput(path))).not.toMatch(/samples/);
    const { columns } = await inspectInput(path, { samples: 2 });
    expect(columns.map((column) => column.samples)).toEqual([
      ['1', '2'],
      ['x', 'y'],
    ]);
  });

  it('takes the types that the owner chose', async () => {
    const path = await desk.given('t.csv', 'zip,money,n\n01234,1.10,"7"\n99999,2.05,""\n');
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
    const path = await desk.given('t.csv', 'a,b\n1,1\nsecret,300\n');
    const out = join(path, '..', 'out.parquet');
    const error = await convertToParquet(path, out, { types }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toMatch(/secret|300/);
    if (code === 'value-not-of-type') expect(String(error)).toMatch(/1 of its values .* row 2/);
    expect(await readdir(join(path, '..'))).toEqual(['t.csv']);
  });

  it('of many rows keeps every one, in order, in groups of the size asked for', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `${i},"line ${i}\n,",${i / 8}`);
    const path = await desk.given('t.csv', `i,t,d\n${lines.join('\n')}`);
    const out = join(path, '..', 'out.parquet');
    await convertToParquet(path, out, { rowGroupSize: 8192 });
    const same = "t = 'line ' || i || chr(10) || ',' AND d = i / 8.0 AND i = file_row_number";
    const sql = `SELECT count(*), bool_and(${same})
      FROM read_parquet('${out}', file_row_number=true)`;
    expect(await desk.query(sql)).toEqual([['50000', true]]);
    const groups = await desk.query(
      `SELECT DISTINCT row_group_num_rows, compression FROM parquet_metadata('${out}') ORDER BY 1`,
    );
    expect(groups).toContainEqual(['8192', 'ZSTD']);
    expect(groups.every((group) => Number((group as string[])[0]) <= 8192)).toBe(true);
    const encodings = await desk.query(
      `SELECT DISTINCT path_in_schema, encodings FROM parquet_metadata('${out}') ORDER BY 1`,
    );
    expect(encodings).toContainEqual(['i', 'DELTA_BINARY_PACKED']);
    expect(encodings).toContainEqual(['d', 'BYTE_STREAM_SPLIT']);
  });

  it('of one very long value is read whole', async () => {
    const path = await desk.given('t.csv', `a,b\n"${'x"",\n'.repeat(500_000)}",1\n`);
    const out = join(path, '..', 'out.parquet');
    await convertToParquet(path, out);
    expect(await desk.query(`SELECT length(a) FROM read_parquet('${out}')`)).toEqual([['2000000']]);
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
    const path = await desk.given('t.jsonl', text);
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
});

describe('Parquet', () => {
  it('keeps its types and values', async () => {
    const path = await desk.parquet(
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
    expect(warningsOf(inspection)).toEqual(['column nothing holds no value at all']);
    expect(await through(path, { types: { 'a.b': 'VARCHAR' } })).toEqual([
      ['1', '1.25', 'x', '2024-01-01', null],
      ['2', '2.50', null, null, null],
    ]);
  });
});

describe.skipIf(!hasShared)('real files [skip: shared]', () => {
  it('30,000 credit accounts, with a column name that holds dots', async () => {
    const path = new URL('data/credit-default/credit-default-clients.csv', shared).pathname;
    const out = join(desk.root, 'credit.parquet');
    const inspection = await inspectInput(path);
    expect(inspection).toMatchObject({ format: 'csv', rows: 30_000, remarks: [] });
    expect(inspection.columns).toHaveLength(25);
    expect(inspection.columns.every((c) => c.type === 'BIGINT' && c.nulls === 0)).toBe(true);
    expect(inspection.columns.at(-1)?.name).toBe('default.payment.next.month');
    await convertToParquet(path, out);
    const difference = `SELECT count(*) FROM (
      (SELECT * FROM read_parquet('${out}') EXCEPT ALL SELECT * FROM read_csv('${path}'))
      UNION ALL
      (SELECT * FROM read_csv('${path}') EXCEPT ALL SELECT * FROM read_parquet('${out}')))`;
    expect(await desk.query(difference)).toEqual([['0']]);
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
