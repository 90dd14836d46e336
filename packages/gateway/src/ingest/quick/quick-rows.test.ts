// SPDX-License-Identifier: Apache-2.0
// What is gathered of a text file from its bytes is what is gathered from its texts, whatever is in
// it and wherever it is cut; and where it is not, it is left to the texts.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { codeOf, Desk } from '../../../testing/ingest.ts';
import { PLAIN } from '../dialect/dialect.ts';
import { ColumnTypes } from '../infer.ts';
import { ABSENT, checkColumnName, type RowOptions, readRows } from '../rows.ts';
import { QuickColumn } from './quick-column.ts';
import { quickRows } from './quick-rows.ts';

let desk: Desk;
let path: string;
beforeAll(async () => {
  desk = await Desk.open();
  path = join(await desk.folder(), 'data');
});
afterAll(() => desk.close());

const later = async () => undefined;

interface Gathered {
  readonly rows: number;
  readonly names: readonly string[];
  readonly types: readonly ColumnTypes[];
  readonly layout: unknown;
}

async function fromTexts(reading: RowOptions): Promise<Gathered> {
  const names: string[] = [];
  const types: ColumnTypes[] = [];
  const before: number[] = [];
  let rows = 0;
  const layout = await readRows(path, reading, {
    onColumn(name) {
      names.push(name);
      types.push(new ColumnTypes(reading));
      before.push(rows);
    },
    onRow(cells) {
      rows += 1;
      for (const [i, one] of types.entries()) {
        const { text, kind } = cells[i] ?? ABSENT;
        one.add(text, kind);
      }
    },
  });
  for (const [i, one] of types.entries()) one.addAbsent(before[i] as number);
  return { rows, names, types, layout };
}

async function fromBytes(reading: RowOptions, chunk: number): Promise<Gathered | undefined> {
  const names: string[] = [];
  const columns: QuickColumn[] = [];
  let rows = 0;
  const seen = new Map<string, number>();
  const reader = {
    onNames(all: readonly string[]) {
      for (const name of all) {
        try {
          checkColumnName(seen, name);
        } catch {
          return false;
        }
        names.push(name);
        const column = new QuickColumn(new ColumnTypes(reading));
        column.types.addAbsent(rows);
        column.addAbsent(rows);
        columns.push(column);
      }
      return true;
    },
    onBatch(batch: Parameters<QuickColumn['add']>[0]) {
      rows += batch.rows;
      for (const [i, column] of columns.entries()) column.add(batch, i);
    },
  };
  const taken = await quickRows(path, reading, reader, later, chunk);
  if (taken === undefined) return undefined;
  return { rows, names, types: columns.map(({ types }) => types), layout: taken.layout };
}

/** All that can be asked of a column, alone and beside another. */
function told(types: ColumnTypes, beside: ColumnTypes | undefined): unknown {
  const alone = [types.type(), types.nulls(), types.remarks(), types.spellings()];
  const both = new ColumnTypes();
  both.merge(types);
  if (beside !== undefined) both.merge(beside);
  return [alone, types.besideSpellings(), both.type(), both.nulls(), both.remarks()];
}

const digits = (least: number, most: number) =>
  fc.stringMatching(new RegExp(`^[1-9]\\d{${least - 1},${most - 1}}$`));
const NUMBERS = [
  fc.integer().map(String),
  digits(1, 20),
  digits(14, 19).map((one) => `-${one}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }).map(String),
  fc.double({ noNaN: true, min: 0, max: 1 }).map(String),
  fc.stringMatching(/^-?(0|[1-9]\d{0,9})\.\d{1,12}$/),
  fc.stringMatching(/^[1-9]\d{0,6}\.\d{2}$/),
  fc.stringMatching(/^0\.0{0,9}[1-9]\d{0,17}$/),
  fc.stringMatching(/^0\d{1,8}$/),
  fc.constantFrom('0', '-0', '0.0', '-0.00', '.5', '5.', '1e5', '1E10', '2.5e-7', '+1', '--1'),
  fc.constantFrom('4503599627370495.5', '9007199254740993', '1,5', '1.234,5', '999999999999999'),
];
const TIMES = [
  fc.stringMatching(/^(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/),
  fc.stringMatching(/^20\d\d-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d(:[0-5]\d(\.\d{1,7})?)?$/),
  fc.stringMatching(/^20\d\d-0\d-[0-2]\d[T ][0-2]\d:[0-5]\d:[0-5]\d(Z|\+00:00|\+00|-03:00)$/),
  fc.constantFrom('0001-01-01', '0000-01-01', '2023-02-29', '2024-02-29', '1900-02-29', '1/2/2024'),
  fc.constantFrom('9999-12-31 23:59:59', '1500-01-01T00:00:00Z', '2024-01-01 10:00:00 UTC'),
];
const TEXTS = [
  fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.includes('\0')),
  fc.constantFrom(
    'NA',
    'null',
    '\\N',
    'None',
    '#N/A',
    'n',
    'true',
    'TRUE',
    'False',
    'yes',
    'lost\ufffd',
  ),
  fc.constantFrom('a "quoted" word', 'two\nlines', 'cr\rlf\r\n', ' ', '""', ','),
  fc.nat(3_000).map((length) => 'long '.repeat(length)),
];
const cell = fc.oneof(fc.constant(''), ...NUMBERS, ...TIMES, ...TEXTS);
/** Values that are of one type, but perhaps not written in one way. */
const OF_ONE_TYPE = [
  fc.stringMatching(/^-?[1-9]\.[0-2]{1,2}$/),
  fc.stringMatching(/^(0|[1-9]\d?)(\.\d{1,3})?$/),
  fc.stringMatching(/^0\.0{0,3}[1-9]0{0,2}$/),
  fc.stringMatching(/^\d\.\d{14,16}$/),
  fc.stringMatching(/^[1-9]\d{15,17}$/),
  fc.stringMatching(/^2024-0[1-9]-[12]\d[T ][01]\d:[0-5]\d(:[0-5]\d)?$/),
  fc.stringMatching(/^2024-0[1-9]-[12]\d [01]\d:[0-5]\d:[0-5]\d(\.[05]{1,2})?$/),
  fc.stringMatching(/^2024-0[1-9]-[12]\d [01]\d:[0-5]\d:[0-5]\d(Z|\+00|\+00:00)$/),
  fc.constantFrom('true', 'false', 'TRUE', 'FALSE'),
  fc.constantFrom('true', 'false'),
  fc.stringMatching(/^0\d{2,3}$|^[1-9]\d{2}$/),
];
/** Mostly of one sort, as columns are. */
const column = fc
  .tuple(fc.constantFrom(...NUMBERS, ...TIMES, ...TEXTS, ...OF_ONE_TYPE), fc.constantFrom(0, 0, 1))
  .map(([sort, others]) =>
    fc.oneof(
      { weight: 30, arbitrary: sort },
      { weight: 2, arbitrary: fc.constant('') },
      { weight: others, arbitrary: cell },
    ),
  );
/** The same, twice as likely where much depends on how values are written. */
const written = fc
  .constantFrom(...OF_ONE_TYPE)
  .map((sort) =>
    fc.oneof({ weight: 20, arbitrary: sort }, { weight: 1, arbitrary: fc.constant('') }),
  );
const table = fc
  .array(fc.oneof(column, written), { minLength: 1, maxLength: 4 })
  .chain((columns) => fc.array(fc.tuple(...columns), { minLength: 1, maxLength: 30 }));

const lineEnd = fc.constantFrom('\n', '\n', '\r\n', '\r');
const harm = fc.constantFrom(
  'none',
  'none',
  'none',
  'none',
  'bytes',
  'zero',
  'quote',
  'ragged',
  'blank',
);

function csvOf(
  rows: readonly (readonly string[])[],
  of: { eol: string; quoteAll: boolean },
): string {
  const field = (text: string) => {
    const must = of.quoteAll || /[",\r\n]/.test(text);
    return must ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const header = rows[0]?.map((_, i) => `c${i}`) ?? [];
  return [header, ...rows].map((row) => row.map(field).join(',') + of.eol).join('');
}

function harmed(csv: string, how: string): Buffer {
  const bytes = Buffer.from(csv);
  const middle = Buffer.from(csv.slice(0, Math.floor(csv.length / 2))).length;
  const put = (what: readonly number[]) =>
    Buffer.concat([bytes.subarray(0, middle), Buffer.from(what), bytes.subarray(middle)]);
  if (how === 'bytes') return put([0xc3, 0x28]);
  if (how === 'zero') return put([0]);
  if (how === 'quote') return put([0x22]);
  if (how === 'ragged') return put([0x2c]);
  if (how === 'blank') return Buffer.concat([bytes, Buffer.from('\n\n')]);
  return bytes;
}

async function expectSame(reading: RowOptions, chunk: number): Promise<boolean> {
  const quick = await fromBytes(reading, chunk);
  if (quick === undefined) return false;
  const slow = await fromTexts(reading);
  expect(quick.rows).toBe(slow.rows);
  expect(quick.names).toEqual(slow.names);
  expect(quick.layout).toEqual(slow.layout);
  for (const [i, types] of slow.types.entries()) {
    const other = slow.types[(i + 1) % slow.types.length];
    const quickOther = quick.types[(i + 1) % slow.types.length];
    expect(told(quick.types[i] as ColumnTypes, quickOther)).toEqual(told(types, other));
  }
  return true;
}

it('CSV: what is gathered is the same, or nothing is', async () => {
  let taken = 0;
  let all = 0;
  const options = fc.record({
    eol: lineEnd,
    quoteAll: fc.boolean(),
    mark: fc.boolean(),
    how: harm,
    header: fc.boolean(),
    chunk: fc.constantFrom(7, 64, 1_000, 1 << 18),
    decimal: fc.constantFrom('.' as const, null),
    cutEnd: fc.boolean(),
  });
  const property = fc.asyncProperty(table, options, async (rows, one) => {
    const { mark, how, header, chunk, decimal, cutEnd } = one;
    const csv = csvOf(rows, one);
    const text = cutEnd && csv.endsWith('\n') ? csv.slice(0, -one.eol.length) : csv;
    const bytes = harmed(text, how);
    await writeFile(path, mark ? Buffer.concat([Buffer.from('\ufeff'), bytes]) : bytes);
    const reading: RowOptions = { ...PLAIN, format: 'csv', header, decimal };
    const same = await expectSame(reading, chunk);
    const code = same ? 'accepted' : await codeOf(fromTexts(reading));
    all += 1;
    if (same) taken += 1;
    // What the texts refuse is never taken, and little else is left to them.
    const rare = one.eol === '\r' || how !== 'none' || /\r(?!\n)|(?:^|\n)\r?\n/.test(text);
    if (code === 'accepted' && !rare) expect(same).toBe(true);
  });
  await fc.assert(property, { numRuns: 120 });
  expect(taken).toBeGreaterThan(all / 6);
}, 120_000);

/** JSON lines of rows, written in ways that all mean the same. */
function jsonOf(rows: readonly (readonly string[])[], ways: readonly number[]): string {
  let turn = 0;
  const way = (count: number) => (ways[turn++ % ways.length] as number) % count;
  const space = () => ['', '', '', ' ', '\t '][way(5)] as string;
  const scalar = (text: string) => {
    if (text === '' && way(2) === 0) return 'null';
    const known = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$|^(?:true|false)$/.test(text);
    if (known && way(8) > 0) return text;
    const quoted = JSON.stringify(text);
    if (way(6) > 0) return quoted;
    const units = (char: string) => [...Array(char.length).keys()].map((i) => char.charCodeAt(i));
    const code = (unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`;
    return quoted.replace(/[^\0-\x7f]/gu, (char) => units(char).map(code).join(''));
  };
  return rows
    .map((row) => {
      const parts = row.map((text, i) => `${space()}"k${i}"${space()}:${space()}${scalar(text)}`);
      const some = way(6) === 0 ? parts.slice(0, -1) : parts;
      const order = way(6) === 0 ? [...some].reverse() : some;
      const line = `${space()}{${order.join(`${space()},`)}${space()}}${space()}`;
      return line + ['\n', '\n', '\n', '\r\n', '\n\n'][way(5)];
    })
    .join('');
}

it('JSON lines: what is gathered is the same, or nothing is', async () => {
  let taken = 0;
  let all = 0;
  const ways = fc.array(fc.nat(1_000), { minLength: 20, maxLength: 60 });
  const how = fc.constantFrom('none', 'none', 'none', 'bytes', 'zero', 'quote', 'ragged', 'blank');
  const chunk = fc.constantFrom(7, 64, 1_000, 1 << 18);
  const property = fc.asyncProperty(table, ways, how, chunk, async (rows, some, harm, size) => {
    await writeFile(path, harmed(jsonOf(rows, some), harm));
    const reading: RowOptions = { ...PLAIN, format: 'jsonl' };
    const same = await expectSame(reading, size);
    all += 1;
    if (same) taken += 1;
    else if (harm === 'none') expect(await codeOf(fromTexts(reading))).not.toBe('accepted');
  });
  await fc.assert(property, { numRuns: 120 });
  expect(taken).toBeGreaterThan(all / 6);
}, 120_000);

it.each([
  '{"a":1,"a":2}',
  '{"a":1}\n{"b":1,"A":2}',
  '{"a":01}',
  '{"a":1.}',
  '{"a":+1}',
  '{"a":.5}',
  '{"a":1e}',
  '{"a":nul}',
  '{"a":truex}',
  '{"a":"\\ud800"}',
  '{"a":"\\udc00\\ud800"}',
  '{"a":"\\u00g0"}',
  '{"a":"\\x"}',
  '{"a":"\u0001"}',
  '{"a":"x}',
  '{"a":{}}',
  '{"a":[1]}',
  '{"a" 1}',
  '{"a":1 "b":2}',
  '{"a":1,}',
  '{,"a":1}',
  '{"a":1}}',
  '{"a":1} x',
  '["a"]',
  '1',
])('%s is left to the texts, which refuse it', async (line) => {
  await writeFile(path, `{"a":7}\n${line}\n{"a":8}\n`);
  const reading: RowOptions = { ...PLAIN, format: 'jsonl' };
  expect(await expectSame(reading, 1 << 18)).toBe(false);
  expect(await codeOf(fromTexts(reading))).not.toBe('accepted');
});
