// SPDX-License-Identifier: Apache-2.0
// Inferred types: a table of columns with the type each must get, and why.
import { describe, expect, it } from 'vitest';
import { type CellKind, ColumnTypes } from './infer.ts';

function typesOf(texts: readonly string[], kind: CellKind = 'any'): ColumnTypes {
  const types = new ColumnTypes();
  for (const text of texts) types.add(text, kind);
  return types;
}

describe('a column', () => {
  it.each([
    [['0', '-1', '123456789012345678'], 'BIGINT'],
    [['1', '2.5', '-.5', '1e9', '-0'], 'DOUBLE'],
    [['true', 'FALSE', 'True'], 'BOOLEAN'],
    [['2024-02-29', '0001-01-01'], 'DATE'],
    [['2024-01-01 00:00', '2024-01-01T23:59:59.123456'], 'TIMESTAMP'],
    [['2024-01-01T00:00:00Z', '2024-01-01 00:00:00+05:30'], 'TIMESTAMP WITH TIME ZONE'],
    [['007'], 'VARCHAR'],
    [['+1'], 'VARCHAR'],
    [['1,000'], 'VARCHAR'],
    [['1.'], 'VARCHAR'],
    [[' 1'], 'VARCHAR'],
    [['1e999'], 'VARCHAR'],
    [['NaN'], 'VARCHAR'],
    [['0x10'], 'VARCHAR'],
    [['1234567890123456789'], 'VARCHAR'],
    [['1234567890123456', '1.5'], 'VARCHAR'],
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

  it('warns of what was kept as text', () => {
    expect(typesOf(['007', '1']).warning()).toMatch(/leading zeros/);
    expect(typesOf(['12345678901234567890']).warning()).toMatch(/too long/);
    expect(typesOf([]).warning()).toMatch(/no value/);
    expect(typesOf(['a']).warning()).toBeUndefined();
    expect(typesOf(['1']).warning()).toBeUndefined();
  });
});
