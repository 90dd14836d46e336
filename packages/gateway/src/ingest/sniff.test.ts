// SPDX-License-Identifier: Apache-2.0
// What is found of a CSV file's dialect: each part is found where the data show it, can be said
// instead, and is refused, with the option that says it, where the data can be read in two ways.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk, warningsOf } from '../../testing/ingest.ts';
import type { Said } from './dialect/dialect.ts';
import { inspectInput } from './inspect.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

async function seen(content: string | Uint8Array, dialect: Said = {}, name = 't.csv') {
  return inspectInput(await desk.given(name, content), { dialect });
}

async function refusal(content: string | Uint8Array, dialect: Said = {}, name = 't.csv') {
  return seen(content, dialect, name).then(
    () => 'accepted',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );
}

describe('the delimiter', () => {
  it.each([
    ['commas', 'a,b\n1,2\n', ','],
    ['semicolons', 'a;b\n1;2\n', ';'],
    ['tabs', 'a\tb\n1\t2\n', '\t'],
    ['bars', 'a|b\n1|2\n', '|'],
    ['what divides every row alike', 'a,b|c|d\n1,x\n', ','],
    ['not what texts hold', 'a;b\n1;x,y\n2;x\n', ';'],
    ['not what is in quotes', 'a;b\n"x,y";"u,v"\n', ';'],
    ['a comma for a single column', 'alone\nx\n', ','],
  ])('is found: %s', async (_, text, delimiter) => {
    expect((await seen(text)).reading?.delimiter).toBe(delimiter);
  });

  it('is asked for where two divide every row alike, and taken as said', async () => {
    const text = 'a,b;c\n1,2;3\n';
    expect(await refusal(text)).toMatch(
      /^dialect-ambiguous: .*"," \(2 fields\).*";" \(2 fields\).*--delimiter$/,
    );
    const { columns } = await seen(text, { delimiter: ';' });
    expect(columns.map(({ name }) => name)).toEqual(['a,b', 'c']);
    expect((await seen('a^b\n1^2\n', { delimiter: '^' })).columns).toHaveLength(2);
    expect((await seen('a b\n1 2\n', { delimiter: ' ' })).columns).toHaveLength(2);
  });

  it('is named where rows are of different lengths', async () => {
    expect(await refusal('a\nx, y\nz\n')).toMatch(/^csv-row-ragged: line 2 .*--delimiter/);
    expect((await seen('a\nx, y\nz\n', { delimiter: ';' })).columns).toHaveLength(1);
  });
});

describe('the quote', () => {
  it('is the other one where only that one divides rows alike', async () => {
    const { reading, columns } = await seen("a,b\n'x, y',1\n'it''s',2\n");
    expect(reading).toMatchObject({ delimiter: ',', quote: "'" });
    expect(columns.map(({ type }) => type)).toEqual(['VARCHAR', 'BIGINT']);
  });

  it('may be none', async () => {
    expect(await refusal('a,b\n5",6\n')).toMatch(/^csv-quote-stray: .*--quote/);
    const { columns, reading } = await seen('a,b\n5",6\n', { quote: null });
    expect(columns.map(({ type }) => type)).toEqual(['VARCHAR', 'BIGINT']);
    expect(reading?.quote).toBe(null);
  });
});

describe('the header', () => {
  it.each(['1,2\n3,4\n', '2024-01-01,1\n2024-01-02,2\n'])('of %j is asked for', async (text) => {
    expect(await refusal(text)).toMatch(/^csv-header-suspicious: .*--header no/);
    expect((await seen(text, { header: false })).rows).toBe(2);
    expect((await seen(text, { header: true })).rows).toBe(1);
  });
});

describe('absent values', () => {
  const nullsOf = async (text: string, said: Said = {}) => {
    const found = await seen(text, said);
    const { columns, reading } = found;
    const warnings = warningsOf(found);
    const what = columns.map(({ type, nulls }) => `${type} ${nulls}`);
    return { what, spelled: reading?.null, warnings };
  };

  it('are found by spelling in columns of numbers and days', async () => {
    const found = await nullsOf('n,d\n1,2024-01-01\nNA,NULL\n3,NA\n');
    expect(found).toEqual({
      what: ['BIGINT 1', 'DATE 2'],
      spelled: ['NA', 'NULL'],
      warnings: [],
    });
  });

  it('are not what stands in quotes', async () => {
    const { what, spelled } = await nullsOf('n,t\nNA,"NA"\n1,x\n');
    expect({ what, spelled }).toEqual({ what: ['BIGINT 1', 'VARCHAR 0'], spelled: ['NA'] });
  });

  it('are no texts: the code of Namibia stays, and the option is named', async () => {
    const text = 'n,country\nNA,DE\n2,NA\n';
    expect(await nullsOf(text)).toEqual({
      what: ['VARCHAR 0', 'VARCHAR 0'],
      spelled: [],
      warnings: [expect.stringMatching(/column n holds BIGINT beside NA .*--null NA.*1 row/)],
    });
    expect((await nullsOf(text, { null: ['NA'] })).what).toEqual(['BIGINT 1', 'VARCHAR 1']);
    expect((await nullsOf(text, { null: [] })).what).toEqual(['VARCHAR 0', 'VARCHAR 0']);
  });

  it('that are all a column has are said, and taken where another column shows them', async () => {
    const { what, warnings } = await nullsOf('a,b\nNA,x\nNA,y\n');
    expect({ what, warnings }).toEqual({
      what: ['VARCHAR 0', 'VARCHAR 0'],
      warnings: [expect.stringMatching(/column a holds nothing but NA .*--null NA.* in 2 rows:/)],
    });
    expect((await nullsOf('a,b\nNA,1\nNA,NA\n')).what).toEqual(['VARCHAR 2', 'BIGINT 1']);
  });

  it('are \\N wherever it stands', async () => {
    const { what } = await nullsOf('a,b\n\\N,x\n1,\\N\n');
    expect(what).toEqual(['BIGINT 1', 'VARCHAR 1']);
  });

  it('are what the owner says', async () => {
    expect((await nullsOf('a,b\n-,x\n1,-\n', { null: ['-'] })).what).toEqual([
      'BIGINT 1',
      'VARCHAR 1',
    ]);
  });
});

describe('marks of numbers', () => {
  const typesOf = async (text: string, said: Said = {}) => {
    const found = await seen(text, said);
    const types = found.columns.map(({ type }) => type);
    return { types, decimal: found.reading?.decimal, warnings: warningsOf(found) };
  };

  it.each<[string, string, Said, string[], '.' | ',' | null]>([
    ['a comma that is clear', 'a;b\n1,5;1.234\n', {}, ['DOUBLE', 'VARCHAR'], ','],
    ['a comma, thousands said', 'a;b\n1,5;1.234\n', { thousands: '.' }, ['DOUBLE', 'BIGINT'], ','],
    ['a comma that may be that of thousands', 'a;b\n1,5;1,234\n', {}, ['VARCHAR', 'VARCHAR'], null],
    ['a comma in every form', 'a;b\n1,5;1,234\n2,5;12,3\n', {}, ['DOUBLE', 'DOUBLE'], ','],
    ['a comma among texts', 'a;b\n"1,5";1,234\nx;2,345\n', {}, ['VARCHAR', 'VARCHAR'], '.'],
    ['a comma beside absent values', 'a;b\n1,5;x\nNA;x\n', {}, ['DOUBLE', 'VARCHAR'], ','],
    ['a point that is clear', 'a;b\n1.5;1.234\n', {}, ['DOUBLE', 'DOUBLE'], '.'],
    ['either', 'a;b\n1.234;x\n', {}, ['VARCHAR', 'VARCHAR'], null],
    ['either, said', 'a;b\n1.234;x\n', { decimal: '.' }, ['DOUBLE', 'VARCHAR'], '.'],
    ['a point beside commas', 'a,b\n1.234,x\n', {}, ['DOUBLE', 'VARCHAR'], '.'],
    ['a comma in quotes, said', 'a\n"1,5"\n', { decimal: ',' }, ['DOUBLE'], ','],
    ['points, thousands said', 'a\n"1,234.5"\n', { thousands: ',' }, ['DOUBLE'], '.'],
    ['spaces, said', 'a;b\n1 234,5;0\n', { thousands: ' ' }, ['DOUBLE', 'BIGINT'], ','],
    ['whole numbers', 'a;b\n1;2\n', {}, ['BIGINT', 'BIGINT'], '.'],
  ])('%s', async (_, text, said, types, decimal) => {
    expect(await typesOf(text, said)).toMatchObject({ types, decimal });
  });

  it.each([['a\n"1,5"\n'], ['a\n"1,234"\n'], ['a;b\n1,5;1.234\n'], ['a;b\n1.234;x\n']])(
    '%j: what stays text names the options and counts rows',
    async (text) => {
      const { warnings } = await typesOf(text);
      expect(warnings).toEqual([
        expect.stringMatching(/--decimal, --thousands.*in 1 row: kept as/),
      ]);
    },
  );

  it('thousands that are marked in some numbers only are two ways of writing', async () => {
    const said: Said = { thousands: ',' };
    expect((await typesOf('a\n"1,234"\n999\n', said)).types).toEqual(['BIGINT']);
    const { types, warnings } = await typesOf('a\n"1,234"\n1234\n', said);
    expect({ types, warnings }).toEqual({
      types: ['VARCHAR'],
      warnings: [expect.stringMatching(/more than one way/)],
    });
    expect((await typesOf('a\n"12,34"\n', said)).types).toEqual(['VARCHAR']);
  });
});

describe('days and times', () => {
  it.each<[string, string, Said, string]>([
    ['days', '31.12.2023', { dateFormat: ['%d.%m.%Y'] }, 'DATE'],
    ['days without zeros', '1.2.2023', { dateFormat: ['%d.%m.%Y'] }, 'DATE'],
    ['days of digits', '20231231', { dateFormat: ['%Y%m%d'] }, 'DATE'],
    ['times', '12/31/2023 23:59', { dateFormat: ['%m/%d/%Y %H:%M'] }, 'TIMESTAMP'],
    [
      'times with offset',
      '31.12.2023 23:59:01.5+0100',
      { dateFormat: ['%d.%m.%Y %H:%M:%S.%f%z'] },
      'TIMESTAMP WITH TIME ZONE',
    ],
    ['one of several forms', '31.12.2023', { dateFormat: ['%m/%d/%Y', '%d.%m.%Y'] }, 'DATE'],
    [
      'times in a zone',
      '2023-07-01 12:00:00',
      { zone: 'Europe/Berlin' },
      'TIMESTAMP WITH TIME ZONE',
    ],
    ['times in UTC', '2023-07-01 12:00:00', { zone: 'UTC' }, 'TIMESTAMP WITH TIME ZONE'],
    ['times in an offset', '2023-07-01T12:00', { zone: '-03:30' }, 'TIMESTAMP WITH TIME ZONE'],
    ['an offset +00', '2023-07-01 12:00:00+00', {}, 'TIMESTAMP WITH TIME ZONE'],
    ['an offset +0000', '2023-07-01 12:00:00 +0000', {}, 'TIMESTAMP WITH TIME ZONE'],
    ['an offset UTC', '2023-07-01 12:00:00 UTC', {}, 'TIMESTAMP WITH TIME ZONE'],
    ['no day of a year', '31.02.2023', { dateFormat: ['%d.%m.%Y'] }, 'VARCHAR'],
  ])('%s', async (_, text, said, type) => {
    const { columns } = await seen(`at\n${text}\n`, said);
    expect(columns.map((column) => column.type)).toEqual([type]);
  });

  it.each<[string, string, Said, RegExp]>([
    ['days that are not said', '31.12.2023\n01.02.2023', {}, /may hold days \(--date-format\)/],
    [
      'days that two forms read',
      '01/02/2023',
      { dateFormat: ['%d/%m/%Y', '%m/%d/%Y'] },
      /read by two of the forms/,
    ],
    [
      'a day that is none',
      '31.12.2023\n32.12.2023',
      { dateFormat: ['%d.%m.%Y'] },
      /beside other texts, in 1 row:/,
    ],
    [
      'days in two ways',
      '01.12.2023\n1.11.2023',
      { dateFormat: ['%d.%m.%Y'] },
      /more than one way, in 2 rows:/,
    ],
    [
      'an hour that the zone has twice',
      '2023-10-29 02:30:00\n2023-10-29 03:30:00',
      { zone: 'Europe/Berlin' },
      /twice or not at all, in 1 row:/,
    ],
    [
      'an hour that the zone leaves out',
      '2023-03-26 02:30:00',
      { zone: 'Europe/Berlin' },
      /twice or not at all, in 1 row:/,
    ],
  ])('%s stay text, with a warning', async (_, text, said, what) => {
    const found = await seen(`at\n${text}\n`, said);
    expect(found.columns.map((column) => column.type)).toEqual(['VARCHAR']);
    expect(warningsOf(found)).toEqual([expect.stringMatching(what)]);
  });
});

describe('the encoding', () => {
  const utf16 = (text: string, big = false) => {
    const bytes = Buffer.from(text, 'utf16le');
    return big ? bytes.swap16() : bytes;
  };
  const latin = Buffer.from('name,n\nJosé,1\n', 'latin1');

  it.each<[string, Uint8Array, Said, string, string[]]>([
    ['UTF-8 with its mark', Buffer.from('\ufeffé,n\nx,1\n'), {}, 'utf-8', ['é', 'n']],
    ['UTF-16, low byte first', utf16('\ufeffé,n\n💡,1\n'), {}, 'utf-16le', ['é', 'n']],
    ['UTF-16, high byte first', utf16('\ufeffé,n\n💡,1\n', true), {}, 'utf-16be', ['é', 'n']],
    [
      'UTF-16 without its mark',
      utf16('é,n\nx,1\n'),
      { encoding: 'utf-16le' },
      'utf-16le',
      ['é', 'n'],
    ],
    ['Latin-1', latin, { encoding: 'iso-8859-1' }, 'iso-8859-1', ['name', 'n']],
  ])('%s', async (_, bytes, said, encoding, names) => {
    const { reading, columns } = await seen(bytes, said);
    expect(reading?.encoding).toBe(encoding);
    expect(columns.map(({ name }) => name)).toEqual(names);
  });

  it('is asked for, with the place, where the text is not UTF-8', async () => {
    expect(await refusal(latin)).toMatch(
      /^input-not-utf8: .* line 2, byte 10 of the file .*--encoding/,
    );
    const rows = Buffer.from(`a\n${`${'x'.repeat(1_023)}\n`.repeat(2_000)}`);
    const late = Buffer.concat([rows, latin]);
    expect(await refusal(late)).toMatch(/line 2003, byte 2048012 /);
  });

  it.each<[string, number[], Said, RegExp]>([
    [
      'a byte that is none',
      [0x61, 10, 0x81],
      { encoding: 'windows-1252' },
      /windows-1252 on line 2, byte 2 /,
    ],
    ['a control character', [0x61, 10, 0x93], { encoding: 'iso-8859-1' }, /iso-8859-1 on line 2/],
    ['a cut character', [0x61, 10, 0xe3, 0x81], {}, /UTF-8 on line 2, byte 2 /],
  ])('%s is refused with its place', async (_, bytes, said, what) => {
    expect(await refusal(Uint8Array.from(bytes), said)).toMatch(what);
  });

  it('that the mark does not have is refused', async () => {
    expect(await refusal(utf16('\ufeffa\n1\n'), { encoding: 'utf-8' })).toMatch(
      /^dialect-conflict: .*utf-16le/,
    );
  });

  it('of JSON lines may be said, too', async () => {
    const lines = utf16('\ufeff{"é": 1}\n');
    expect((await seen(lines, {}, 't.jsonl')).columns[0]?.name).toBe('é');
  });
});

describe('what cannot be meant', () => {
  it.each<[Said, string, RegExp]>([
    [{ delimiter: ';' }, 't.jsonl', /--delimiter says nothing of JSON lines/],
    [{ delimiter: 'x' }, 't.csv', /--delimiter wanted/],
    [{ delimiter: ';', quote: ';' }, 't.csv', /--quote wanted/],
    [{ null: ['a\nb'] }, 't.csv', /--null wanted/],
    [{ null: ['a,b'] }, 't.csv', /--null wanted/],
    [{ delimiter: '\ud83d' }, 't.csv', /--delimiter wanted/],
    [{ decimal: ',', thousands: ',' }, 't.csv', /--thousands is the decimal mark/],
    [{ thousands: 'x' }, 't.csv', /--thousands wanted/],
    [{ zone: 'Mars/Base' }, 't.csv', /--zone wanted UTC/],
    [{ dateFormat: ['%d.%m.%y'] }, 't.csv', /%y is not one of/],
    [{ dateFormat: ['%d.%m'] }, 't.csv', /wanted %Y, %m and %d/],
    [{ dateFormat: ['%Y-%m-%d %H'] }, 't.csv', /%H and %M together/],
    [{ dateFormat: ['%Y-%m-%d %Y'] }, 't.csv', /comes twice/],
    [{ dateFormat: ['%Y-%m-%d 5%H:%M'] }, 't.csv', /no digits between/],
  ])('%j of %s', async (said, name, what) => {
    const text = name === 't.csv' ? 'a,b\n1,2\n' : '{"a": 1}\n';
    const refused = await refusal(text, said, name);
    expect(refused).toMatch(/^dialect-malformed/);
    expect(refused).toMatch(what);
  });
});
