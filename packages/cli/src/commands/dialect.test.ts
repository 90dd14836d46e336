// SPDX-License-Identifier: Apache-2.0
// How a file is written, as options and the file beside it say: what is typed means one thing, what
// was found is shown as it could be typed, and two that differ are an error.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Dialect, Inspection } from '@cloister/api';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dialectLines, keepDialect, saidByOptions, saidOf, withDialect } from './dialect.ts';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-dialect-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const options = (...typed: string[]) =>
  withDialect(new Command().exitOverride()).parse(typed, { from: 'user' }).opts();

async function fileWith(kept?: unknown): Promise<string> {
  const file = join(folder, `${count++}.csv`);
  if (kept !== undefined) await writeFile(`${file}.dialect.json`, JSON.stringify(kept));
  return file;
}

const WHOLE: Dialect = {
  delimiter: '\t',
  quote: null,
  header: false,
  null: ['NA', '\\N', 'no value'],
  encoding: 'windows-1252',
  decimal: ',',
  thousands: "'",
  dateFormat: ['%d.%m.%Y', '%d.%m.%Y %H:%M'],
  zone: 'Europe/Berlin',
};
const seen = (dialect: Dialect | null, byteOrderMark = false): Inspection => ({
  upload: '00'.repeat(16),
  format: 'csv',
  rows: 1,
  columns: [],
  warnings: [],
  dialect,
  byteOrderMark,
});

describe('options', () => {
  it.each<[string[], Dialect]>([
    [[], {}],
    [['--delimiter', 'tab', '--quote', 'none'], { delimiter: '\t', quote: null }],
    [['--delimiter', '\\t', '--header', 'no'], { delimiter: '\t', header: false }],
    [['--delimiter', ';', '--quote', "'"], { delimiter: ';', quote: "'" }],
    [['--null', 'NA', '--null', '-'], { null: ['NA', '-'] }],
    [['--null', ''], { null: [] }],
    [['--encoding', 'Latin-1'], { encoding: 'iso-8859-1' }],
    [['--encoding', 'UTF8'], { encoding: 'utf-8' }],
    [['--thousands', 'space', '--decimal', ','], { thousands: ' ', decimal: ',' }],
    [['--thousands', 'none', '--zone', 'none'], { thousands: null, zone: null }],
    [['--date-format', '%d.%m.%Y', '--zone', 'UTC'], { dateFormat: ['%d.%m.%Y'], zone: 'UTC' }],
  ])('%j say %j', (typed, said) => {
    expect(saidByOptions(options(...typed))).toEqual(said);
  });

  it.each([
    [['--header', 'maybe'], /--header: wanted yes or no, got maybe/],
    [['--delimiter', ';;'], /the options: delimiter: wanted one character/],
    [['--encoding', 'ebcdic'], /encoding: wanted one of utf-8, utf-16le/],
    [['--decimal', ':'], /decimal: wanted "\." or ","/],
  ])('%j are refused', (typed, what) => {
    expect(() => saidByOptions(options(...typed))).toThrow(what);
  });

  it('are how a file that was read is shown', () => {
    const [line = ''] = dialectLines(seen(WHOLE));
    const typed = [...line.matchAll(/'[^']*'|"[^"]*"|\S+/g)]
      .map(([word]) => word.replace(/^(['"])(.*)\1$/, '$2'))
      .slice(2);
    expect(saidByOptions(options(...typed))).toEqual(WHOLE);
  });

  it('say what is not clear, and a byte-order mark', () => {
    expect(dialectLines(seen({ delimiter: ';' }, true))).toEqual([
      "read with --delimiter ';'; the decimal mark is not clear (--decimal); " +
        'it begins with a byte-order mark',
    ]);
    expect(dialectLines(seen(null))).toEqual([]);
  });
});

describe('the file beside the data', () => {
  it('is read together with the options', async () => {
    const path = await fileWith({ delimiter: ';', decimal: ',' });
    const both = await saidOf(path, options('--delimiter', ';', '--header', 'no'));
    expect(both).toEqual({ delimiter: ';', decimal: ',', header: false });
    expect(await saidOf(await fileWith(), {})).toEqual({});
  });

  it('that says other than an option is an error that names both', async () => {
    const path = await fileWith({ delimiter: ';' });
    await expect(saidOf(path, options('--delimiter', ','))).rejects.toMatchObject({
      code: 'dialect-conflict',
      message: expect.stringMatching(/--delimiter says ",", and .*dialect\.json ";"/),
    });
  });

  it.each<[unknown, RegExp]>([
    [{ separator: ';' }, /there is no separator: wanted parts of delimiter, quote/],
    [{ header: 'yes' }, /header: wanted true or false/],
    [{ null: 'NA' }, /null: wanted a list/],
    [{ dateFormat: [7] }, /dateFormat\.0: wanted forms/],
    [['x'], /wanted an object/],
    [7, /wanted an object/],
  ])('%j is refused in words', async (kept, what) => {
    await expect(saidOf(await fileWith(kept), {})).rejects.toMatchObject({
      code: 'dialect-malformed',
      message: expect.stringMatching(what),
    });
  });

  it('is written as it is read', async () => {
    const path = await fileWith();
    expect(await keepDialect(path, seen(WHOLE))).toBe(`${path}.dialect.json`);
    expect(await saidOf(path, {})).toEqual(WHOLE);
    expect(await readFile(`${path}.dialect.json`, 'utf8')).toMatch(/\n$/);
    await expect(keepDialect(path, seen(null))).rejects.toMatchObject({ code: 'option-malformed' });
  });
});
