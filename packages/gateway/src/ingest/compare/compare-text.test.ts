// SPDX-License-Identifier: Apache-2.0
// What was made of a text file is compared with the file, value by value: whatever the types and
// however large, nothing that was made well is refused, and one value that changed is found by its
// column and row.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk } from '../../../testing/ingest.ts';
import { type ConvertOptions, convertToParquet } from '../convert.ts';
import { BLOCK_ROWS } from './column-trace.ts';
import { compareText } from './compare-text.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

function settled(comparing: Promise<void>): Promise<unknown> {
  return comparing.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Converts; answers a comparison with what was made, or with what `sql` makes of it. */
async function comparing(text: string, options: ConvertOptions = {}, name = 't.csv') {
  const source = await desk.given(name, text);
  const parquet = join(source, '..', 'made.parquet');
  const { reading, columns, traces } = await convertToParquet(source, parquet, options);
  if (reading === undefined) throw new Error('a text file has a reading');
  const compare = async (other = parquet) => {
    const request = { source, reading, parquet: other, columns };
    const outcome = await settled(compareText(request));
    // By the traces that looking at the file has left, it comes to the same.
    expect(await settled(compareText({ ...request, traces }))).toEqual(outcome);
    if (outcome !== undefined) throw outcome;
  };
  const bent = async (sql: string) =>
    compare(await desk.parquet(sql.replace('made', `read_parquet('${parquet}')`)));
  return { compare, bent };
}

describe('what was made well', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((one) => !/[\0\r]/.test(one));
  const digits = fc.stringMatching(/^-?[1-9]\d{0,24}$/);
  const sorts: readonly fc.Arbitrary<string>[] = [
    text,
    digits,
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => one.toExponential()),
    fc.stringMatching(/^-?[1-9]\d{0,9}\.\d{3}$/),
    fc.boolean().map(String),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((one) => {
      return one.toISOString().slice(0, 10);
    }),
    fc.date({ noInvalidDate: true, min: new Date(-4e12), max: new Date(4e12) }).map((one) => {
      return one.toISOString();
    }),
    fc.stringMatching(/^20[0-3]\d-0[1-9]-[12]\d [01]\d:[0-5]\d:[0-5]\d[.]\d{6}[+-]0[0-9]:30$/),
  ];
  const table = fc
    .array(fc.constantFrom(...sorts), { minLength: 1, maxLength: 4 })
    .chain((columns) => {
      const cells = columns.map((sort) => fc.option(sort, { nil: null, freq: 5 }));
      return fc.array(fc.tuple(...cells), { minLength: 1, maxLength: 6 });
    });

  it('is found to be what the file says', async () => {
    await fc.assert(
      fc.asyncProperty(table, async (rows) => {
        const quoted = (cell: string | null) =>
          cell === null ? '' : `"${cell.replaceAll('"', '""')}"`;
        const header = (rows[0] ?? []).map((_, i) => `c${i}`).join(',');
        const lines = rows.map((row) => row.map(quoted).join(','));
        // A row of one absent value is a blank line.
        if (lines.some((line) => line === '')) return;
        const { compare } = await comparing(`${[header, ...lines].join('\n')}\n`);
        await compare();
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('with chosen types that keep the values, too', async () => {
    const types = { a: 'DECIMAL(9,3)', b: 'FLOAT', c: 'UUID', d: 'TIME', e: 'SMALLINT' };
    const uuid = '0189AF2C-0000-7000-8000-00000000000A';
    const { compare } = await comparing(`a,b,c,d,e\n1.5,2.25,${uuid},10:20,-5\n,,,,\n`, { types });
    await compare();
  });
});

describe('a file of usual values', () => {
  const columns = 'id,big,price,root,d,local,instant,yes,word,nothing';
  const row = (i: number) => [
    i,
    `12345678901234${1_000 + i}`,
    `${i}.25`,
    Math.sqrt(i + 2),
    '2024-02-29',
    `2024-01-01 10:00:${10 + (i % 50)}.5`,
    `1969-12-31T23:59:${10 + (i % 50)}Z`,
    i % 3 === 0,
    i % 7 === 0 ? '' : `"say ""${i}"", ä"`,
    '',
  ];
  const csv = [columns, ...Array.from({ length: 100 }, (_, i) => row(i))].join('\n');

  it('is not read again to be compared', async () => {
    const source = await desk.given('usual.csv', csv);
    const parquet = join(source, '..', 'made.parquet');
    const { reading, columns: made, traces } = await convertToParquet(source, parquet);
    if (reading === undefined) throw new Error('a text file has a reading');
    await rm(source);
    const request = { source, reading, columns: made };
    await compareText({ ...request, parquet, traces });
    for (const { name, type } of made) {
      const other = type === 'BOOLEAN' ? `NOT ${name}` : type === 'VARCHAR' ? "'x'" : `${name} + 1`;
      const one = type.startsWith('TIMESTAMP') ? `${name} + INTERVAL 1 MICROSECOND` : other;
      const bent = await desk.parquet(
        `SELECT * REPLACE (CASE id WHEN 77 THEN ${one} ELSE ${name} END AS ${name})
         FROM read_parquet('${parquet}')`,
      );
      // To say where, it would be read again.
      await expect(compareText({ ...request, parquet: bent, traces }), name).rejects.toMatchObject({
        code: 'input-unreadable',
      });
    }
  });

  it.each([
    ['1.10,x\n2.25,y\n', { a: 'DECIMAL(9,2)', b: 'VARCHAR' }],
    ['1,x\n2,y\n', { a: 'SMALLINT', b: 'VARCHAR' }],
    ['1,x\n2,y\n', { a: 'DOUBLE', b: 'VARCHAR' }],
    ['7,x\n123456789012345680,y\n', { a: 'DOUBLE' }],
    ['1e10,x\n10e9,y\n.5,z\n1.7976931348623157e308,z\n5e-324,z\n', { a: 'DOUBLE' }],
    ['0.1,x\n16777216,y\n3.4028235e38,z\n', { a: 'FLOAT' }],
    ['7,\ufeffx\n8,\ufeff\n9,x\ufeff\n', {}],
    ['7,\ufeffx\n8,"\r\n"\n9,x\n', {}],
    ['7,x\n123456789012345678,y\n', { a: 'VARCHAR' }],
    ['7,x\n123456789012345678,y\n', { a: 'DECIMAL(38,3)' }],
    ['18446744073709551615,x\n1,y\n', { a: 'UBIGINT' }],
    ['1.5,x\n2.25,y\n', { a: 'FLOAT' }],
    ['NA,x\n5,NA\n6,y\n', {}],
    ['NA,x\n5,y\n6,z\n', {}],
    ['"",x\n5,""\n6,y\n', {}],
    ['-0,x\n0.0,y\n', { a: 'DOUBLE' }],
    ['-0,x\n0,y\n', { a: 'BIGINT' }],
    ['01,true\n02,FALSE\n', {}],
    ['01,true\n02,FALSE\n', { a: 'BIGINT', b: 'BOOLEAN' }],
  ])('%j with the types %j is what it was', async (rows, types) => {
    const { compare } = await comparing(`a,b\n${rows}`, { types: types as Record<string, string> });
    await compare();
  });
});

describe('a chosen type that does not keep a value', () => {
  it.each([
    ['DOUBLE', '9007199254740993'],
    ['DOUBLE', '123456789012345678'],
    ['DOUBLE', '0.12345678901234567891'],
    ['DOUBLE', '1e400'],
    ['DOUBLE', '1e-400'],
    ['FLOAT', '16777217'],
    ['FLOAT', '0.123456789'],
    ['FLOAT', '1e39'],
  ])('%s of %s', async (type, text) => {
    const { compare } = await comparing(`a,b\n1,x\n${text},y\n`, { types: { a: type } });
    await expect(compare()).rejects.toMatchObject({
      code: 'value-changed',
      details: { column: 'a', row: 2 },
    });
  });
});

describe('JSON lines', () => {
  const numbers = [
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.integer({ min: 0, max: 900 }).map((one) => one / 4),
    fc.maxSafeInteger(),
  ];
  const texts = [
    fc.string({ unit: 'grapheme', maxLength: 8 }).filter((one) => !one.includes('\0')),
    fc.stringMatching(/^20[0-3]\d-0[1-9]-[12]\d$/),
    fc.stringMatching(/^20[0-3]\d-0[1-9]-[12]\dT[01]\d:[0-5]\d:[0-5]\dZ$/),
  ];
  const sorts: readonly fc.Arbitrary<unknown>[] = [
    ...numbers,
    ...texts,
    fc.boolean(),
    fc.oneof(...numbers, ...texts),
  ];
  const table = fc
    .array(fc.constantFrom(...sorts), { minLength: 1, maxLength: 4 })
    .chain((columns) => {
      const cells = columns.map((sort) => fc.option(sort, { nil: null, freq: 6 }));
      return fc.array(fc.tuple(...cells), { minLength: 1, maxLength: 6 });
    });
  const given = (text: string) => comparing(text, {}, 't.jsonl');

  it('are what they say, whoever of the two readers reads them', async () => {
    await fc.assert(
      fc.asyncProperty(table, async (rows) => {
        const objects = rows.map((row) =>
          Object.fromEntries(row.map((cell, i) => [`c${i}`, cell])),
        );
        const lines = objects.map((object) => JSON.stringify(object));
        const { compare } = await given(lines.join('\n'));
        await compare();
      }),
      { numRuns: 20 },
    );
  }, 60_000);

  it('of numbers in any spelling are what they say', async () => {
    const spelling = fc.stringMatching(/^-?(0|[1-9]\d{0,20})(\.\d{1,20})?([eE][+-]?\d{1,3})?$/);
    await fc.assert(
      fc.asyncProperty(fc.array(spelling, { minLength: 1, maxLength: 4 }), async (numbers) => {
        const { compare } = await given(numbers.map((one) => `{"a":${one}}`).join('\n'));
        await compare();
      }),
      {
        numRuns: 25,
        examples: [[['-0', '2']], [['1e-400', '1.5']], [['9007199254740993', '2.5']]],
      },
    );
  }, 60_000);

  it.each([
    ['{"a":1.10,"b":"x"}\n{"a":"y"}\n'],
    ['{"a":12345678901234567890}\n{"a":1}\n'],
    ['{"a":0.12345678901234567890123}\n{"a":0.5}\n'],
    ['{"a":true}\n{"a":"true"}\n'],
    ['\ufeff{"a":1}\n\n  {"b":"\\u00e9\\n"}\r\n'],
    ['{"a":1e5}\n{"a":-0.0}\n{"a":null}\n{}\n'],
    ['{"a":""}\n{"a":"2024-01-01"}\n'],
  ])('%j too', async (text) => {
    const { compare } = await given(text);
    await compare();
  });

  it('a value that changed is found', async () => {
    const rows = Array.from({ length: 50 }, (_, i) => `{"n":${i},"t":"\\"${i}\\""}`);
    const { bent } = await given(rows.join('\n'));
    const sql = `SELECT n, CASE n WHEN 7 THEN 'x' ELSE t END AS t FROM made`;
    await expect(bent(sql)).rejects.toMatchObject({
      code: 'value-changed',
      details: { column: 't', row: 8 },
    });
  });
});

describe('a value that changed', () => {
  const rows = BLOCK_ROWS + 1_000;
  const csv = `n,t\n${Array.from({ length: rows }, (_, i) => `${i},text ${i}`).join('\n')}\n`;

  it.each([
    ['the first', 1, 'n', 'SELECT CASE n WHEN 0 THEN 7 ELSE n END AS n, t FROM made'],
    [
      'one in a later block',
      BLOCK_ROWS + 3,
      't',
      `SELECT n, CASE n WHEN ${BLOCK_ROWS + 2} THEN 'x' ELSE t END AS t FROM made`,
    ],
    [
      'a byte-order mark before a text',
      12,
      't',
      "SELECT n, CASE n WHEN 11 THEN '\ufeff' || t ELSE t END AS t FROM made",
    ],
    ['one that is absent', 12, 't', 'SELECT n, CASE n WHEN 11 THEN NULL ELSE t END AS t FROM made'],
    [
      'one of two rows that changed places',
      6,
      'n',
      'SELECT CASE n WHEN 5 THEN 6 WHEN 6 THEN 5 ELSE n END AS n, t FROM made',
    ],
    ['a row that is gone', rows, 'n', `SELECT * FROM made WHERE n <> ${rows - 1}`],
    ['a row too many', rows + 1, 'n', 'SELECT * FROM made UNION ALL SELECT 1, NULL'],
  ])('%s is found', async (_, row, column, sql) => {
    const { bent } = await comparing(csv);
    await expect(bent(sql)).rejects.toMatchObject({
      code: 'value-changed',
      details: { column, row },
    });
  });

  it.each([
    ['1.105', 'DECIMAL(9,2)'],
    ['1.5', 'INTEGER'],
    ['2024-01-01 10:00:00', 'DATE'],
    ['10:00:00.1234567', 'TIME'],
  ])('%s as %s is found, and not shown', async (text, type) => {
    const { compare } = await comparing(`a\n${text}\n`, { types: { a: type } });
    const error = await compare().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'value-changed' });
    expect(String(error)).not.toContain(text);
  });
});
