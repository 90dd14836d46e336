// SPDX-License-Identifier: Apache-2.0
// Files in many dialects become the values that they mean, which a third reader gives back; and
// whatever dialect a table is written in, what is made of it is what our own reader reads.
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, Desk } from '../../testing/ingest.ts';
import { compareText } from './compare/compare-text.ts';
import { convertToParquet } from './convert.ts';
import type { Said } from './dialect/dialect.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** What the file became, by a reader of its own, after both of ours agreed on it. */
async function made(content: string | Uint8Array, dialect: Said, types = {}, name = 't.csv') {
  const source = await desk.given(name, content);
  const parquet = join(source, '..', 'made.parquet');
  const { reading, columns } = await convertToParquet(source, parquet, { dialect, types });
  if (reading === undefined) throw new Error('a text file has a reading');
  await compareText({ source, reading, parquet, columns });
  const shown = columns.map(({ name: column, type }) =>
    type === 'TIMESTAMP WITH TIME ZONE' ? `epoch_us("${column}")` : `"${column}"::VARCHAR`,
  );
  const rows = await desk.query(`SELECT ${shown.join(', ')} FROM read_parquet('${parquet}')`);
  return { types: columns.map(({ type }) => type), rows };
}

const micros = (iso: string) => String(Date.parse(iso) * 1_000);

describe('a file', () => {
  it('as a German spreadsheet writes it', async () => {
    const text = 'Größe;Betrag;Tag;Zeit\n"a;b";1.234,50;31.12.2023;01.07.2023 12:00\n;-0,25;;\n';
    const dialect: Said = {
      encoding: 'windows-1252',
      thousands: '.',
      dateFormat: ['%d.%m.%Y', '%d.%m.%Y %H:%M'],
      zone: 'Europe/Berlin',
    };
    expect(await made(Buffer.from(text, 'latin1'), dialect)).toEqual({
      types: ['VARCHAR', 'DOUBLE', 'DATE', 'TIMESTAMP WITH TIME ZONE'],
      rows: [
        ['a;b', '1234.5', '2023-12-31', micros('2023-07-01T10:00:00Z')],
        [null, '-0.25', null, null],
      ],
    });
  });

  it('in windows-1252, with the bytes that ISO 8859-1 has other characters for', async () => {
    const bytes = Buffer.from([0x61, 10, 0x80, 0x93, 0x9f, 0xe9, 10]);
    const { rows } = await made(bytes, { encoding: 'windows-1252' });
    expect(rows).toEqual([['€“Ÿé']]);
  });

  it.each<[Said['encoding'] & string, number[], string]>([
    ['iso-8859-1', [0xe9, 0xa4], 'é¤'],
    ['iso-8859-15', [0xe9, 0xa4], 'é€'],
    ['iso-8859-2', [0xb1, 0xe8], 'ąč'],
    ['windows-1250', [0x9c, 0xe8], 'śč'],
    ['windows-1251', [0xcf, 0xf0, 0xb8], 'Прё'],
    ['gb18030', [0xc4, 0xea, 0x95, 0x32, 0x82, 0x36], '年𠀀'],
    ['shift_jis', [0x94, 0x4e, 0xb1], '年ｱ'],
    ['utf-16be', [0x5e, 0x74], '年'],
  ])('in %s', async (encoding, bytes, text) => {
    const wide = encoding.startsWith('utf-16');
    const ascii = (one: number[]) => (wide ? one.flatMap((byte) => [0, byte]) : one);
    const file = Uint8Array.from([...ascii([0x61, 10]), ...bytes, ...ascii([10])]);
    expect((await made(file, { encoding })).rows).toEqual([[text]]);
  });

  it('as a database dumps it', async () => {
    const text = '1\t\\N\tx "y"\n\\N\t2023-07-01 12:00:00+00\t\\N\n';
    const dialect: Said = { quote: null, header: false };
    expect(await made(text, dialect)).toEqual({
      types: ['BIGINT', 'TIMESTAMP WITH TIME ZONE', 'VARCHAR'],
      rows: [
        ['1', null, 'x "y"'],
        [null, micros('2023-07-01T12:00:00Z'), null],
      ],
    });
  });

  it.each([
    '2023-07-01 12:00:00+00',
    '2023-07-01 12:00:00+0000',
    '2023-07-01 12:00:00 +00:00',
    '2023-07-01 12:00:00 UTC',
    '2023-07-01T12:00:00UTC',
    '2023-07-01 12:00Z',
    '2023-07-01 12:00+00',
    '2023-07-01 07:00:00.000-0500',
  ])('with times like %s', async (text) => {
    expect(await made(`at,n\n${text},1\n,2\n`, {})).toEqual({
      types: ['TIMESTAMP WITH TIME ZONE', 'BIGINT'],
      rows: [
        [micros('2023-07-01T12:00:00Z'), '1'],
        [null, '2'],
      ],
    });
  });

  it.each<[string, Said, string, string]>([
    ['1 234,5', { decimal: ',', thousands: ' ' }, 'DECIMAL(9,2)', '1234.50'],
    ["1'234.5", { thousands: "'" }, 'DECIMAL(9,2)', '1234.50'],
    ['1,234', { thousands: ',' }, 'INTEGER', '1234'],
    ['31/12/2023', { dateFormat: ['%d/%m/%Y'] }, 'TIMESTAMP', '2023-12-31 00:00:00'],
    ['12345678901234567,25', { decimal: ',' }, 'DECIMAL(20,2)', '12345678901234567.25'],
  ])('%s as %j with the type %s', async (text, dialect, type, value) => {
    const { rows } = await made(`a;b\n${text};x\n`, { ...dialect, delimiter: ';' }, { a: type });
    expect(rows).toEqual([[value, 'x']]);
  });

  it.each<[string, Said, string]>([
    ['1.5', { decimal: ',' }, 'DOUBLE'],
    ['1.5', { decimal: ',', thousands: '.' }, 'INTEGER'],
    ['12,34', { thousands: ',' }, 'INTEGER'],
    ['1_000', { decimal: ',' }, 'INTEGER'],
    [' 1', { decimal: ',' }, 'INTEGER'],
    ['32.12.2023', { dateFormat: ['%d.%m.%Y'] }, 'DATE'],
    ['1.2.23', { dateFormat: ['%d.%m.%Y'] }, 'DATE'],
    ['2023-03-26 02:30:00', { zone: 'Europe/Berlin' }, 'TIMESTAMP WITH TIME ZONE'],
    ['2023-10-29 02:30:00', { zone: 'Europe/Berlin' }, 'TIMESTAMP WITH TIME ZONE'],
  ])('with %s, said to be %j, is no %s', async (text, dialect, type) => {
    const content = `a;b\n${text};x\n`;
    const refused = codeOf(made(content, { ...dialect, delimiter: ';' }, { a: type }));
    expect(['value-not-of-type', 'value-changed']).toContain(await refused);
  });
});

it('times without an offset are no instants until their zone is named', async () => {
  const text = 'at,n\n2024-01-01 12:00:00,1\n';
  const types = { at: 'TIMESTAMP WITH TIME ZONE' };
  await expect(made(text, {}, types)).rejects.toMatchObject({
    code: 'value-not-of-type',
    message: expect.stringMatching(/column at .*--zone/),
  });
  const { rows } = await made(text, { zone: '+02:00' }, types);
  expect(rows).toEqual([[micros('2024-01-01T10:00:00Z'), '1']]);
});

describe('whatever the dialect', () => {
  const delimiter = fc.constantFrom(',', ';', '\t', '|', '^', ' ', '\u0001');
  const dialects = fc
    .record({
      delimiter,
      quote: fc.constantFrom('"', "'"),
      decimal: fc.constantFrom<'.' | ','>('.', ','),
      grouped: fc.boolean(),
      zone: fc.constantFrom(null, 'UTC', '+05:30', 'America/New_York'),
      encoding: fc.constantFrom<Said['encoding'] & string>('utf-8', 'windows-1252', 'utf-16le'),
    })
    .map(({ grouped, ...one }) => ({
      ...one,
      thousands: grouped ? (one.decimal === '.' ? ',' : '.') : null,
      null: ['NA'],
      header: true,
      dateFormat: ['%d/%m/%Y', '%d/%m/%Y %H:%M:%S'],
    }));
  const days = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) });
  const two = (value: number) => String(value).padStart(2, '0');
  const day = (at: Date) =>
    `${two(at.getUTCDate())}/${two(at.getUTCMonth() + 1)}/${at.getUTCFullYear()}`;
  const clock = (at: Date) =>
    [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(':');
  type Marks = { readonly decimal: string; readonly thousands: string | null };
  const number = (value: bigint, digits: number, { decimal, thousands }: Marks) => {
    const all = String(value < 0n ? -value : value).padStart(digits + 1, '0');
    const whole = all.slice(0, all.length - digits);
    const marked = whole.replace(/\B(?=(\d{3})+$)/g, thousands ?? '');
    const fraction = digits === 0 ? '' : `${decimal}${all.slice(-digits)}`;
    return `${value < 0n ? '-' : ''}${marked}${fraction}`;
  };
  const row = fc.record({
    whole: fc.option(fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n })),
    long: fc.option(fc.bigInt({ min: 0n, max: 10n ** 24n })),
    day: fc.option(days),
    at: fc.option(days),
    text: fc.option(fc.string({ unit: fc.constantFrom('a', 'é', ',', ';', '"', "'", '\n', ' ') })),
  });

  it('both readers read the same', async () => {
    await fc.assert(
      fc.asyncProperty(dialects, fc.array(row, { minLength: 1, maxLength: 5 }), async (of, all) => {
        const quote = (text: string) =>
          `${of.quote}${text.replaceAll(of.quote, of.quote + of.quote)}${of.quote}`;
        const safe = (text: string) =>
          text.includes(of.delimiter) || text.includes(of.quote) ? quote(text) : text;
        const lines = all.map((one) =>
          [
            one.whole === null ? 'NA' : number(one.whole, 0, of),
            one.long === null ? '' : number(one.long, 3, of),
            one.day === null ? 'NA' : day(one.day),
            one.at === null ? '' : `${day(one.at)} ${clock(one.at)}`,
          ]
            .map(safe)
            .concat(one.text === null ? 'NA' : quote(one.text))
            .join(of.delimiter),
        );
        const text = `${['w', 'l', 'd', 'a', 't'].join(of.delimiter)}\n${lines.join('\n')}\n`;
        const bytes =
          of.encoding === 'windows-1252'
            ? Buffer.from(text, 'latin1')
            : Buffer.from(text, of.encoding === 'utf-8' ? 'utf8' : 'utf16le');
        const { rows } = await made(bytes, of);
        expect(rows).toHaveLength(all.length);
        const wanted = all.map(({ whole, text: own }) => [
          whole === null ? null : String(whole),
          own,
        ]);
        expect(rows.map((got) => [(got as unknown[])[0], (got as unknown[])[4]])).toEqual(wanted);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('rows and fields are found alike, however they lie', async () => {
    const cell = fc.record({
      text: fc.string({
        unit: fc.constantFrom(...'aé💡 #\\0-,;\t|"\'%{', '\n', '\r', '\r\n', 'NA', '\\N'),
        maxLength: 5,
      }),
      inQuotes: fc.boolean(),
    });
    const tables = fc.record({
      lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
      delimiter: fc.constantFrom(',', ';', '\t', '|', ' ', '¦'),
      quote: fc.constantFrom<'"' | "'" | null>('"', "'", null),
      encoding: fc.constantFrom<'utf-8' | 'utf-16le'>('utf-8', 'utf-16le'),
      nulls: fc.constantFrom<string[]>([], ['NA']),
      header: fc.boolean(),
      mark: fc.boolean(),
      lastEnd: fc.constantFrom('', '\n', '\n\n'),
      rows: fc.integer({ min: 1, max: 4 }).chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), {
          minLength: 1,
          maxLength: 6,
        }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(tables, async (of) => {
        const { delimiter, quote, lineEnd } = of;
        const written = of.rows.map((row) =>
          row.map(({ text, inQuotes }) => {
            // Without quotes there is no way to write these.
            const bare =
              quote === null ? text.replace(/[\r\n]/g, '').replaceAll(delimiter, '') : text;
            const must =
              quote !== null && [delimiter, quote, '\r', '\n'].some((c) => bare.includes(c));
            if (quote !== null && (must || inQuotes)) {
              return {
                wrote: `${quote}${bare.replaceAll(quote, quote + quote)}${quote}`,
                is: bare,
              };
            }
            return { wrote: bare, is: bare === '' || of.nulls.includes(bare) ? null : bare };
          }),
        );
        const lines = written.map((row) => row.map(({ wrote }) => wrote).join(delimiter));
        // A row of one absent value is a blank line.
        if (lines.includes('')) return;
        const names = (of.rows[0] ?? []).map((_, i) => `c${i}`).join(delimiter);
        const all = of.header ? [names, ...lines] : lines;
        const end = of.lastEnd.replaceAll('\n', lineEnd);
        const text = `${of.mark ? '\ufeff' : ''}${all.join(lineEnd)}${end}`;
        const bytes = Buffer.from(text, of.encoding === 'utf-8' ? 'utf8' : 'utf16le');
        const { header, encoding, nulls } = of;
        const said: Said = { delimiter, quote, header, encoding, null: nulls };
        const types = Object.fromEntries(
          (of.rows[0] ?? []).map((_, i) => [header ? `c${i}` : `column${i + 1}`, 'VARCHAR']),
        );
        const { rows } = await made(bytes, said, types);
        expect(rows).toEqual(written.map((row) => row.map(({ is }) => is)));
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

it('a reader that reads otherwise than the engine is found out', async () => {
  const source = await desk.given('t.csv', "a;b\n'x;y';1\n'NA';NA\n");
  const parquet = join(source, '..', 'made.parquet');
  const dialect: Said = { delimiter: ';', quote: "'" };
  const { reading, columns } = await convertToParquet(source, parquet, { dialect });
  if (reading === undefined) throw new Error('a text file has a reading');
  const compare = (other: Partial<typeof reading>) =>
    codeOf(compareText({ source, reading: { ...reading, ...other }, parquet, columns }));
  expect(await compare({})).toBe('accepted');
  expect(await compare({ null: [] })).toBe('value-changed');
  expect(await compare({ quote: null })).toBe('csv-row-ragged');
  expect(await compare({ header: false })).toBe('value-changed');
});
