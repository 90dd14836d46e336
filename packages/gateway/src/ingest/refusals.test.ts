// SPDX-License-Identifier: Apache-2.0
// Files that lie are refused with their exact code, before or instead of anything being written;
// damage never ends the process.
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DATASET_COLUMNS_MAX } from '@cloister/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, Desk } from '../../testing/ingest.ts';
import { convertToParquet } from './convert.ts';
import { type InspectOptions, inspectInput } from './inspect.ts';

const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

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
    ['too many columns', 't.csv', `${names(DATASET_COLUMNS_MAX + 1)}\n`, 'too-many-columns'],
    ['a header of numbers', 't.csv', '1,2\n3,4\n', 'csv-header-suspicious'],
    ['a spreadsheet hint', 't.csv', 'sep=;\na;b\n1;2\n', 'csv-header-suspicious'],
    ['UTF-16 without its mark', 't.csv', Buffer.from('a,b\n1,2\n', 'utf16le'), 'input-not-text'],
    ['half of UTF-16', 't.csv', Buffer.from('\ufeffa\n1\ud800', 'utf16le'), 'input-not-encoded'],
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
    const path = await desk.given(name, bytes);
    expect(await codeOf(inspectInput(path, options))).toBe(code);
    const out = join(path, '..', 'out.parquet');
    expect(await codeOf(convertToParquet(path, out, options))).toBe(code);
    expect(await readdir(join(path, '..'))).toEqual([name]);
  });

  it('name the line', async () => {
    const rows = Array.from({ length: 9000 }, (_, i) => `${i},${'x'.repeat(300)}`);
    rows[8000] = '1';
    const path = await desk.given('t.csv', `a,b\n${rows.join('\n')}\n`);
    await expect(inspectInput(path)).rejects.toThrow(/^line 8002 has 1 fields, wanted 2/);
    rows[8000] = '1,\udcff';
    const bytes = Buffer.from(`a,b\n${rows.join('\n')}\n`, 'utf8');
    bytes[bytes.indexOf('\ufffd')] = 0xff;
    await expect(inspectInput(await desk.given('u.csv', bytes))).rejects.toThrow(/line 8002/);
  });

  it('are not there, or are folders', async () => {
    expect(await codeOf(inspectInput(join(desk.root, 'nowhere.csv')))).toBe('input-unreadable');
    expect(await codeOf(inspectInput(desk.root))).toBe('input-unreadable');
    expect(await codeOf(convertToParquet(desk.root, join(desk.root, 'x.parquet')))).toBe(
      'input-unreadable',
    );
  });

  it('are never written over', async () => {
    const path = await desk.given('t.csv', 'a\n1\n');
    expect(await codeOf(convertToParquet(path, path))).toBe('output-exists');
    expect(await readFile(path, 'utf8')).toBe('a\n1\n');
  });

  it('cannot be written where nobody may write', async () => {
    const path = await desk.given('t.csv', 'a\n1\n');
    const folder = await desk.folder();
    await chmod(folder, 0o500);
    const target = process.getuid?.() === 0 ? join(folder, 'no', 'out') : join(folder, 'out');
    expect(await codeOf(convertToParquet(path, target))).toBe('conversion-failed');
  });
});

describe('more columns than a dataset may have', () => {
  const [most, more] = [names(DATASET_COLUMNS_MAX), names(DATASET_COLUMNS_MAX + 1)];
  const json = (keys: string[]) => JSON.stringify(Object.fromEntries(keys.map((k) => [k, 1])));
  const select = (keys: string[]) => `SELECT ${keys.map((key) => `1 AS ${key}`)}`;
  const files: readonly [string, (columns: string[]) => Promise<string>][] = [
    ['CSV', (keys) => desk.given('t.csv', `${keys}\n${keys.map(() => 1)}\n`)],
    ['JSON lines', (keys) => desk.given('t.jsonl', json(keys))],
    ['Parquet', (keys) => desk.parquet(select(keys))],
  ];

  it.each(files)('are refused while the file is looked at, in %s', async (_, file) => {
    await expect(inspectInput(await file(more))).rejects.toMatchObject({
      code: 'too-many-columns',
      message: expect.stringMatching(/has .*130[01] columns, .* at most 1300: leave out/),
    });
    expect((await inspectInput(await file(most))).columns).toHaveLength(DATASET_COLUMNS_MAX);
  });
});

describe('JSON lines that are not', () => {
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
    const error = await inspectInput(await desk.given('t.jsonl', text)).catch((e: unknown) => e);
    expect(error).toMatchObject({ code, details: { line } });
  });
});

describe('Parquet', () => {
  it.each([
    ['lists', 'SELECT [1, 2] AS a', 'column-type-unsupported'],
    ['structs', 'SELECT {b: 1} AS a', 'column-type-unsupported'],
    ['no rows', 'SELECT 1 AS a WHERE false', 'input-no-rows'],
  ])('of %s is refused', async (_, sql, code) => {
    expect(await codeOf(inspectInput(await desk.parquet(sql)))).toBe(code);
  });

  it('cut or changed anywhere is refused or read, and never ends the process', async () => {
    const whole = await readFile(
      await desk.parquet("SELECT range AS a, 'text ' || range AS b FROM range(50)"),
    );
    const cut = await desk.given('cut.parquet', '');
    for (let length = 4; length < whole.length; length += 17) {
      await writeFile(cut, whole.subarray(0, length));
      expect(await codeOf(inspectInput(cut))).toBe('parquet-truncated');
    }
    for (let at = 0; at < whole.length; at += 23) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x55;
      await writeFile(cut, changed);
      expect(await codeOf(inspectInput(cut))).toMatch(/^(accepted|parquet-|page-|column-|input-)/);
    }
  });
});
