// SPDX-License-Identifier: Apache-2.0
// Inferred types: a table of columns with the type each must get, and why.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLAIN } from './dialect/dialect.ts';
import { type CellKind, ColumnTypes } from './infer.ts';

function typesOf(texts: readonly string[], kind: CellKind = 'any'): ColumnTypes {
  const types = new ColumnTypes();
  for (const text of texts) types.add(text, kind);
  return types;
}

describe('a column', () => {
  it.each([
    [['0', '-1', '123456789012345678'], 'BIGINT'],
    [['1', '2.5', '-.5', '1e+09', '-0'], 'DOUBLE'],
    [['true', 'false'], 'BOOLEAN'],
    [['TRUE', 'FALSE'], 'BOOLEAN'],
    [['true', 'FALSE', 'True'], 'VARCHAR'],
    [['2024-02-29', '0001-01-01'], 'DATE'],
    [['2024-01-01 00:00', '2024-01-02 23:59'], 'TIMESTAMP'],
    [['2024-01-01T00:00:00', '2024-01-01T23:59:59.120000'], 'TIMESTAMP'],
    [['2024-01-01T00:00:00Z', '2024-01-01T00:00:00.5Z'], 'TIMESTAMP WITH TIME ZONE'],
    [['2024-01-01 00:00+05:30', '2024-01-01 00:00-08:00'], 'TIMESTAMP WITH TIME ZONE'],
    [['2024-01-01 00:00:00+00'], 'TIMESTAMP WITH TIME ZONE'],
    [['2024-01-01 00:00', '2024-01-01T00:00'], 'VARCHAR'],
    [['2024-01-01 00:00', '2024-01-01 00:00:00'], 'VARCHAR'],
    [['2024-01-01 00:00:00', '2024-01-01 00:00:00.000'], 'VARCHAR'],
    [['2024-01-01T00:00:00Z', '2024-01-01T00:00:00+00:00'], 'VARCHAR'],
    [['2024-01-01 00:00:00.1234567'], 'VARCHAR'],
    [['007'], 'VARCHAR'],
    [['+1'], 'VARCHAR'],
    [['1,000'], 'VARCHAR'],
    [['1.'], 'VARCHAR'],
    [[' 1'], 'VARCHAR'],
    [['1e+999'], 'VARCHAR'],
    [['NaN'], 'VARCHAR'],
    [['0x10'], 'VARCHAR'],
    [['1234567890123456789'], 'DECIMAL(19,0)'],
    [['12345678901234567890', '1'], 'DECIMAL(20,0)'],
    [['10000000000000000000'], 'DECIMAL(20,0)'],
    [[`1${'0'.repeat(38)}`], 'DOUBLE'],
    [['9'.repeat(39)], 'VARCHAR'],
    [['1234567890123456', '1.5'], 'DOUBLE'],
    [['12345678901234567', '1.5'], 'DECIMAL(18,1)'],
    [['0.1234567890123456789'], 'DECIMAL(19,19)'],
    [['0.1234567890123456789', '1e-7'], 'VARCHAR'],
    [['0.1234567890123456789', '-0'], 'VARCHAR'],
    [['1E10', '10E9'], 'VARCHAR'],
    [['1E10', '2E5'], 'VARCHAR'],
    [['1.0E10', '2.5E7', '1.0E-5'], 'DOUBLE'],
    [['1e-400'], 'VARCHAR'],
    [['4.9e-324'], 'VARCHAR'],
    [['5e-324', '1.7976931348623157e+308'], 'DOUBLE'],
    [['1e+16', '123456.75', '1e-07'], 'DOUBLE'],
    [['1e+05', '123456'], 'VARCHAR'],
    [['1.5e+10', '15.0e+9'], 'VARCHAR'],
    [['1.5e+10', '1.5E+11'], 'VARCHAR'],
    [['1.5e+9', '1.5e+09'], 'VARCHAR'],
    [['1.5', '1.50'], 'VARCHAR'],
    [['1', '1.0'], 'VARCHAR'],
    [['1.0', '2.25', '10.0'], 'DOUBLE'],
    [['1.50', '2.25'], 'DOUBLE'],
    [['1.5', '2'], 'DOUBLE'],
    [['.5', '0.5'], 'VARCHAR'],
    [['2023-02-29'], 'VARCHAR'],
    [['2024-13-01'], 'VARCHAR'],
    [['24-01-01'], 'VARCHAR'],
    [['2024-01-01', '2024-01-01 00:00'], 'VARCHAR'],
    [['2024-01-01 24:00'], 'VARCHAR'],
    [['2024-01-01T00:00:00Z', '2024-01-01T00:00:00'], 'VARCHAR'],
    [['yes', 'no'], 'VARCHAR'],
    [['1', 'x'], 'VARCHAR'],
    [['true', '1'], 'VARCHAR'],
    [[], 'VARCHAR'],
    [['', ''], 'VARCHAR'],
  ])('of %j is %s', (texts, type) => {
    expect(typesOf(texts).type()).toBe(type);
  });

  it('of JSON texts is never a number or a boolean', () => {
    expect(typesOf(['1', '2'], 'text').type()).toBe('VARCHAR');
    expect(typesOf(['true'], 'text').type()).toBe('VARCHAR');
    expect(typesOf(['2024-01-01'], 'text').type()).toBe('DATE');
    expect(typesOf(['1'], 'number').type()).toBe('BIGINT');
    expect(typesOf(['1', '1.0', '1E2', '10e1'], 'number').type()).toBe('DOUBLE');
    expect(typesOf(['1e-400'], 'number').type()).toBe('VARCHAR');
    expect(typesOf(['true'], 'boolean').type()).toBe('BOOLEAN');
  });

  it('counts an empty cell as absent unless the column is text', () => {
    const numbers = typesOf(['1', '', '2']);
    numbers.add('', 'null');
    expect(numbers.nulls()).toBe(2);
    const texts = typesOf(['a', '', 'b']);
    texts.add('', 'null');
    expect(texts.nulls()).toBe(1);
  });

  it.each([
    [['007', '1'], /leading zeros.*--type/],
    [['9'.repeat(39)], /no type keeps/],
    [['1E10', '10E9'], /1E10/],
    [['1.5', '1.50'], /more than one way/],
    [['2024-01-01 00:00', '2024-01-01T00:00'], /times written/],
    [['2024-01-01 00:00:00.1234567'], /six digits/],
    [['2024-01-01 00:00+01'], /UTC/],
    [['1', ''], /1 empty texts/],
    [[], /no value/],
  ])('of %j warns', (texts, what) => {
    expect(typesOf(texts).warnings()).toEqual([expect.stringMatching(what)]);
  });

  it.each([[['a']], [['a', '']], [['1']], [['2024-01-01']]])('of %j does not warn', (texts) => {
    expect(typesOf(texts).warnings()).toEqual([]);
  });

  const number = fc.oneof(
    fc.double().map(String),
    fc.double({ noNaN: true }).map((one) => one.toExponential()),
    fc.stringMatching(/^-?\d{1,3}(\.\d{1,3})?([eE][+-]?\d{1,2})?$/),
    fc.stringMatching(/^\d{14,22}(\.\d{1,3})?$/),
  );

  it('keeps every value, and makes no two texts one value', () => {
    const value = (text: string) => (/^-0*\.?0*(e|$)/i.test(text) ? '-0' : exactly(text));
    fc.assert(
      fc.property(fc.uniqueArray(number, { minLength: 1, maxLength: 4 }), (texts) => {
        const type = typesOf(texts).type();
        if (type === 'VARCHAR') return;
        const exact = (text: string) => exactly(type === 'DOUBLE' ? String(Number(text)) : text);
        expect(texts.map(exact)).toEqual(texts.map(exactly));
        expect(new Set(texts.map(value)).size).toBe(texts.length);
      }),
      { numRuns: 5_000 },
    );
  });

  it('of several files is what it is of all their values', () => {
    const column = fc.array(number, { maxLength: 3 });
    fc.assert(
      fc.property(column, column, (one, other) => {
        const merged = typesOf(one);
        merged.merge(typesOf(other));
        const both = typesOf([...one, ...other]);
        expect([merged.type(), merged.warnings()]).toEqual([both.type(), both.warnings()]);
      }),
    );
  });
});

describe('a column of a dialect', () => {
  const dialect = {
    ...PLAIN,
    decimal: ',' as const,
    thousands: '.',
    dateFormat: ['%d.%m.%Y', '%m.%d.%Y'],
    zone: 'Europe/Berlin',
  };
  const typed = (texts: readonly string[]) => {
    const types = new ColumnTypes(dialect);
    for (const text of texts) types.add(text, 'bare');
    return types;
  };

  it('of several files is what it is of all their values', () => {
    const text = fc.oneof(
      fc.constantFrom('NA', '\\N', '1.234', '1234', '1,5', '1,50', '1.5', '007', '', '1E10', 'x'),
      fc.constantFrom('31.12.2023', '01.02.2023', '1.2.2023', '2023-03-26 02:30:00'),
      fc.constantFrom('2023-01-01 00:00:00', '2023-01-01 00:00:00Z', '2023-01-01', 'true'),
    );
    const column = fc.array(text, { maxLength: 3 });
    fc.assert(
      fc.property(column, column, (one, other) => {
        const merged = typed(one);
        merged.merge(typed(other));
        const both = typed([...one, ...other]);
        expect([merged.type(), merged.remarks(), merged.dateFormat()]).toEqual([
          both.type(),
          both.remarks(),
          both.dateFormat(),
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [['1.234', '999'], 'BIGINT'],
    [['1.234,5', '0,25'], 'DOUBLE'],
    [['1.234', '1234'], 'VARCHAR'],
    [['12.34'], 'VARCHAR'],
    [['1,5', '1,50'], 'VARCHAR'],
    [['31.12.2023'], 'DATE'],
    [['01.02.2023'], 'VARCHAR'],
    [['2023-01-01 00:00:00'], 'TIMESTAMP WITH TIME ZONE'],
    [['2023-03-26 02:30:00'], 'VARCHAR'],
    [['1', 'NA'], 'VARCHAR'],
  ])('of %j is %s', (texts, type) => {
    expect(typed(texts).type()).toBe(type);
  });
});

/** A number as its digits and power of ten, by long hand. */
function exactly(text: string): string {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  let digits = BigInt(`${whole}${fraction}`);
  let ten = BigInt(power) - BigInt(fraction.length);
  while (digits !== 0n && digits % 10n === 0n) [digits, ten] = [digits / 10n, ten + 1n];
  return digits === 0n ? '0' : `${text.startsWith('-') ? '-' : ''}${digits}e${ten}`;
}
