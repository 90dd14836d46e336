// SPDX-License-Identifier: Apache-2.0
// Small files that were changed in silence, or accepted and then of no use: the right value of
// each, or a clear no before anything is written.
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintParquet } from '../../../parquet-crypto/testing/mint.ts';
import { codeOf, Desk, warningsOf } from '../../testing/ingest.ts';
import { compareParquet } from './compare/compare-parquet.ts';
import { convertToParquet } from './convert.ts';
import { inspectInput, refuseInexact } from './inspect.ts';

const cases = new URL('../../../../../shared/cases/files/', import.meta.url).pathname;
const hasShared = existsSync(cases);

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** The file as a dataset's: column types, warnings, rows as texts. */
async function made(path: string) {
  const found = await inspectInput(path);
  const out = join(await desk.folder(), 'out.parquet');
  await convertToParquet(path, out);
  const rows = await desk.query(`SELECT COLUMNS(*)::VARCHAR FROM read_parquet('${out}')`);
  return { types: found.columns.map(({ type }) => type), warnings: warningsOf(found), rows };
}

describe('a folder that is named like a column', () => {
  it.each(['zip=5', 'n=7', 'other=1'])('%s changes no value and adds no column', async (name) => {
    const folder = join(await desk.folder(), name);
    await mkdir(folder);
    const path = join(folder, 't.csv');
    await writeFile(path, 'zip,n\n94107,1\n01220,2\n');
    const rows = [
      ['94107', '1'],
      ['01220', '2'],
    ];
    expect(await made(path)).toMatchObject({ types: ['VARCHAR', 'BIGINT'], rows });
    const parquet = join(folder, 't.parquet');
    await convertToParquet(path, parquet);
    expect((await made(parquet)).rows).toEqual(rows);
  });
});

describe('text', () => {
  it.each<[string, string, string, unknown[][]]>([
    ['ids like numbers', '1E10\n10E9\n', 'VARCHAR', [['1E10'], ['10E9']]],
    ['versions', '1.1\n1.10\n', 'VARCHAR', [['1.1'], ['1.10']]],
    ['tiny numbers', '1e-400\n2e-400\n', 'VARCHAR', [['1e-400'], ['2e-400']]],
    [
      'long whole numbers',
      '12345678901234567890\n12345678901234567891\n',
      'DECIMAL(20,0)',
      [['12345678901234567890'], ['12345678901234567891']],
    ],
    [
      'long fractions',
      '0.12345678901234567891\n1.50000000000000000000\n',
      'DECIMAL(21,20)',
      [['0.12345678901234567891'], ['1.50000000000000000000']],
    ],
    ['the sign of zero', '-0\n0\n0.5\n', 'DOUBLE', [['-0.0'], ['0.0'], ['0.5']]],
  ])('%s keep every digit and every distinction', async (_, lines, type, rows) => {
    const path = await desk.given('t.csv', `id\n${lines}`);
    expect(await made(path)).toMatchObject({ types: [type], rows });
  });

  it.each([
    ['a second byte-order mark', '\ufeff\ufeffa,b\n1,2\n', /U\+feff/],
    ['a zero-width space', 'a\u200b,a\n1,2\n', /U\+200b/],
    ['a variation selector', 'a\ufe0f,a\n1,2\n', /U\+fe0f/],
    ['a blank pattern', 'a\u2800,a\n1,2\n', /U\+2800/],
    ['a no-break space', 'a,a\u00a0\n1,2\n', /U\+00a0/],
  ])('a name with %s is refused', async (_, text, what) => {
    const path = await desk.given('t.csv', text);
    await expect(inspectInput(path)).rejects.toMatchObject({
      code: 'column-name-malformed',
      message: expect.stringMatching(what),
    });
  });

  it.each([
    ['{"a":1}\n{"a":"1"}\n', 'a number and a text'],
    ['{"a":true}\n{"a":"true"}\n', 'a truth and a text'],
    ['{"a":1}\n{"a":true}\n', 'a number and a truth'],
    ['{"a":"x"}\n{"a":"y, z"}\n{"a":7}\n{"a":"7"}\n', 'a number late'],
  ])('of JSON says where kinds become one: %s', async (text) => {
    const found = await inspectInput(await desk.given('t.jsonl', text));
    expect(found.columns).toMatchObject([{ type: 'VARCHAR' }]);
    expect(found.remarks).toMatchObject([{ kind: 'mixed-kinds', inexact: true }]);
    const texts = text.replace(/(\d|true)(?=\})/g, '"$1"');
    expect((await inspectInput(await desk.given('t.jsonl', texts))).remarks).toEqual([]);
  });

  it('names that look the same are one name', async () => {
    const path = await desk.given('t.csv', 'caf\u00e9,cafe\u0301\n1,2\n');
    expect(await codeOf(inspectInput(path))).toBe('column-name-duplicate');
  });

  it('is the same whatever the time zone of the machine', async () => {
    const path = await desk.given('t.csv', 'at\n2024-01-01 00:00:00+02:00\n');
    const zone = process.env['TZ'];
    process.env['TZ'] = 'America/New_York';
    const { types, rows } = await made(path);
    expect(types).toEqual(['TIMESTAMP WITH TIME ZONE']);
    const micros = await desk.query(`SELECT epoch_us('${rows[0]}'::TIMESTAMPTZ)`);
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
    expect(micros).toEqual([[String(Date.UTC(2023, 11, 31, 22) * 1_000)]]);
  });
});

describe('Parquet', () => {
  it.each<[string, string, string, string]>([
    ['UUID', 'UUID', 'UUID', '00000000-0000-0000-0000-000000000005'],
    ['JSON', 'JSON', 'VARCHAR', '{"a": 1}'],
    ['TIME WITH TIME ZONE', 'TIMETZ', 'TIME', '12:34:56.123456'],
    ['TIME_NS', 'TIME_NS', 'TIME_NS', '12:34:56.123456789'],
    ['an enumeration', "ENUM('a', 'b')", 'VARCHAR', 'b'],
    ['the widest decimal', 'DECIMAL(38,2)', 'DECIMAL(38,2)', `${'9'.repeat(36)}.99`],
  ])('%s becomes a column', async (_, type, becomes, text) => {
    const path = await desk.parquet(`SELECT '${text}'::${type} AS x`);
    expect(await made(path)).toMatchObject({ types: [becomes], rows: [[text]] });
  });

  it.each([
    ['1.5::DOUBLE', 'BIGINT'],
    ['300::INTEGER', 'TINYINT'],
    ["TIMESTAMP '2024-01-01 10:00:00'", 'DATE'],
    ['0.1::DOUBLE', 'FLOAT'],
    ['12345.678::DECIMAL(9,3)', 'DECIMAL(9,2)'],
  ])('%s cannot be made %s, which would be another value', async (value, type) => {
    const path = await desk.parquet(`SELECT NULL AS x UNION ALL SELECT ${value}`);
    const out = join(path, '..', 'out.parquet');
    const converted = convertToParquet(path, out, { types: { x: type } });
    await expect(converted).rejects.toMatchObject({
      code: 'value-not-of-type',
      message: expect.stringMatching(/1 of its values .* row 2/),
    });
  });

  it('times of day of older writers, told by their converted type alone, are taken', async () => {
    // SchemaElement's field 6, converted_type: TIME_MILLIS, as Thrift's i32.
    const element = { 6: { type: 5, value: 7 } } as const;
    const path = await desk.given('t.parquet', mintParquet({ valuesPerPage: 2, element }));
    const rows = [['00:00:00'], ['00:00:00.001']];
    expect(await made(path)).toMatchObject({ types: ['TIME'], rows });
    const out = join(await desk.folder(), 'out.parquet');
    const { columns } = await convertToParquet(path, out);
    await compareParquet({ source: path, parquet: out, columns });
  });

  it('a chosen type that keeps every value is taken', async () => {
    const path = await desk.parquet("SELECT 2.0::DOUBLE AS x, DATE '2024-01-01' AS day");
    const out = join(path, '..', 'out.parquet');
    await convertToParquet(path, out, { types: { x: 'BIGINT', day: 'VARCHAR' } });
    expect(await desk.query(`SELECT * FROM read_parquet('${out}')`)).toEqual([['2', '2024-01-01']]);
  });

  it.each([
    ['a list', '[1, 2]', /column x is nested: write its elements as a file of their own/],
    ['a struct', '{a: 1}', /write x\.a as a column of its own, for example x_a/],
    ['an interval', "INTERVAL '1 month'", /INTERVAL.*months, days or seconds as numbers/],
  ])('%s is refused with what would work', async (_, value, what) => {
    const path = await desk.parquet(`SELECT ${value} AS x`);
    await expect(inspectInput(path)).rejects.toMatchObject({
      code: 'column-type-unsupported',
      message: expect.stringMatching(what),
    });
  });
});

describe('nanoseconds of instants', () => {
  /** A file of instants, which the engine of this test cannot write: times, called instants. */
  async function instants(...nanos: number[]): Promise<string> {
    const at = nanos.map((one) => `(make_timestamp_ns(${one}))`).join(', ');
    const path = await desk.parquet(`SELECT * FROM (VALUES ${at}) AS t (moment)`);
    const bytes = await readFile(path);
    // TimestampType of the footer: isAdjustedToUTC false, the unit NANOS.
    const place = bytes.lastIndexOf(Uint8Array.of(0x12, 0x1c, 0x3c, 0, 0));
    bytes[place] = 0x11;
    await writeFile(path, bytes);
    return path;
  }

  it('are cut with a warning that counts rows, where that changes a value', async () => {
    const { types, warnings } = await made(await instants(1_001, 2_000, 3_999));
    expect(types).toEqual(['TIMESTAMP WITH TIME ZONE']);
    expect(warnings).toEqual([
      expect.stringMatching(/^column moment .*: in 2 rows something is cut$/),
    ]);
    expect((await made(await instants(1_000, 2_000))).warnings).toEqual([]);
  });

  it('before 1970 are cut towards it, as the warning says', async () => {
    const path = await instants(-1, -1_001, -2_000);
    const { warnings, rows } = await made(path);
    expect(warnings).toEqual([expect.stringMatching(/^column moment .*: in 2 rows .* cut$/)]);
    const micros = await Promise.all(
      rows.map((row) => desk.query(`SELECT epoch_us('${row}'::TIMESTAMPTZ)`)),
    );
    expect(micros).toEqual([[['0']], [['-1']], [['-2']]]);
    const out = join(await desk.folder(), 'out.parquet');
    const { columns } = await convertToParquet(path, out);
    await compareParquet({ source: path, parquet: out, columns });
  });

  it('are refused with --strict, whatever type is chosen', async () => {
    const cut = await inspectInput(await instants(1_001));
    expect(() => refuseInexact(cut, { moment: 'VARCHAR' })).toThrow(/--strict refuses it/);
    refuseInexact(await inspectInput(await instants(1_000)));
  });
});

/** Each with what is right of it: refused with a code and a message, or its types and values. */
const RIGHT: Readonly<Record<string, readonly [code: string, message: RegExp] | object>> = {
  'f_dec39_min.parquet': ['column-type-unsupported', /DECIMAL\(39,2\)/],
  'f_bss_int_min.parquet': ['parquet-encoding-unsupported', /BYTE_STREAM_SPLIT of INT64/],
  'p12_dup_names.parquet': ['column-name-duplicate', /columns 1 and 2/],
  'f_uuid_min.parquet': { types: ['UUID'], warnings: [] },
  'f_int32_delta_min.parquet': { types: ['INTEGER'], warnings: [] },
  'p41_nan.parquet': {
    types: ['BIGINT', 'DOUBLE'],
    warnings: [],
    rows: [
      ['1', '1.0'],
      ['2', 'nan'],
      ['3', null],
    ],
  },
  'p01b_int96_ns.parquet': {
    types: ['BIGINT', 'TIMESTAMP'],
    warnings: [expect.stringMatching(/ts counts nanoseconds.*: in \d+ rows? something is cut/)],
  },
  'f_sci_ids_min.csv': {
    types: ['VARCHAR'],
    rows: [['1E10'], ['10E9']],
    warnings: [expect.stringMatching(/codes, in 2 rows: kept as text/)],
  },
  'f_delim_min.csv': { types: ['BIGINT', 'VARCHAR'], rows: [['1', 'x']], warnings: [] },
  'c01_leading_zero.csv': {
    types: ['VARCHAR', 'BIGINT'],
    rows: [
      ['94107', '1'],
      ['01220', '2'],
    ],
    warnings: [expect.stringMatching(/leading zeros, in 1 row: kept as text/)],
  },
};

describe.skipIf(!hasShared)('files from elsewhere [skip: shared]', () => {
  it.each(hasShared ? readdirSync(cases) : [])('%s comes out right', async (file) => {
    const right = RIGHT[file];
    expect(right, 'what is right of this file?').toBeDefined();
    // A folder that is named like a column says nothing.
    const folder = join(await desk.folder(), 'zip=5');
    await mkdir(folder);
    const path = join(folder, file);
    await copyFile(join(cases, file), path);
    if (!Array.isArray(right)) {
      expect(await made(path)).toMatchObject(right as object);
      return;
    }
    const [code, message] = right as [string, RegExp];
    const refusal = { code, message: expect.stringMatching(message) };
    await expect(inspectInput(path)).rejects.toMatchObject(refusal);
  });
});
