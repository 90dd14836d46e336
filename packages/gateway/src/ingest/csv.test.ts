// SPDX-License-Identifier: Apache-2.0
// The CSV scanner: what any writer of RFC 4180 writes comes back, however lines end and wherever
// the text is cut into chunks; every stray quote is refused with its line.
import { CodedError } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CsvMarks, CsvScanner } from './csv.ts';

const COMMAS: CsvMarks = { delimiter: ',', quote: '"' };

function scan(text: string, cuts: readonly number[] = [], marks = COMMAS): unknown[][] {
  const rows: unknown[][] = [];
  const scanner = new CsvScanner(marks, (fields, line) =>
    rows.push([line, ...fields.map((f) => (f.text === '' && !f.quoted ? null : f.text))]),
  );
  let from = 0;
  for (const cut of [...cuts].map((c) => c % (text.length + 1)).sort((a, b) => a - b)) {
    scanner.push(text.slice(from, cut));
    from = Math.max(from, cut);
  }
  scanner.push(text.slice(from));
  scanner.end();
  return rows;
}

function codeOf(text: string): string {
  try {
    scan(text);
  } catch (error) {
    return error instanceof CodedError ? `${error.code} ${error.details['line']}` : String(error);
  }
  return 'accepted';
}

describe('CsvScanner', () => {
  it.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('ends lines with %s and counts them', (_, end) => {
    const text = ['a,b', '1,"x', 'y"', '2,"he said ""no"""', ''].join(end);
    expect(scan(text)).toEqual([
      [1, 'a', 'b'],
      [2, '1', `x${end}y`],
      [4, '2', 'he said "no"'],
    ]);
  });

  it('takes line ends in any mixture', () => {
    expect(scan('a\nb\r\nc\rd')).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [4, 'd'],
    ]);
  });

  it('tells the empty text from the absent value', () => {
    expect(scan('"",\n,""\n')).toEqual([
      [1, '', null],
      [2, null, ''],
    ]);
  });

  it('keeps spaces, and delimiters inside quotes', () => {
    expect(scan(' a ,"b,c" \n'.replace(' \n', '\n'))).toEqual([[1, ' a ', 'b,c']]);
    expect(scan('a;"b;c"', [], { delimiter: ';', quote: '"' })).toEqual([[1, 'a', 'b;c']]);
    const other = { delimiter: '\u0001', quote: "'" };
    expect(scan("a\u0001'it''s \"b\"'", [], other)).toEqual([[1, 'a', 'it\'s "b"']]);
  });

  it('leaves quotes to the texts where nothing is quoted', () => {
    const none = { delimiter: ';', quote: null };
    expect(scan('"a";b"c\n";"\n', [], none)).toEqual([
      [1, '"a"', 'b"c'],
      [2, '"', '"'],
    ]);
  });

  it('gives back what a writer wrote, wherever the chunks are cut', () => {
    const cell = fc.string({
      unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '💡', ';'),
      maxLength: 6,
    });
    const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1 });
    const cuts = fc.array(fc.nat(200), { maxLength: 6 });
    const ends = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(rows, cuts, ends, (table, at, end) => {
        const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = table.map((row) => row.map(quote).join(',') + end).join('');
        expect(scan(text, at).map((row) => row.slice(1))).toEqual(table);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['a quote in a bare field', 'a\nb"c\n', 'csv-quote-stray 2'],
    ['text after a closing quote', 'a\n"b"c\n', 'csv-quote-stray 2'],
    ['a space before a quote', 'a, "b"\n', 'csv-quote-stray 1'],
    ['a quote that is never closed', 'a\n\n"b\nc\n', 'csv-quote-unterminated 3'],
    ['a quote at the very end', 'a\n"', 'csv-quote-unterminated 2'],
    ['a row past the bound', `a\n"${'x'.repeat(9 << 20)}`, 'row-too-long 2'],
  ])('refuses %s', (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('does not mind a chunk of many short rows', () => {
    expect(scan('ab,cd\n'.repeat(1_600_000))).toHaveLength(1_600_000);
  });
});
