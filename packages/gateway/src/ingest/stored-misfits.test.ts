// SPDX-License-Identifier: Apache-2.0
// Stored values that are none of their column's type are told as that, not as damage, with the
// column, their number and the first row; values are never shown.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COLUMN, ELEMENT, PAGE } from '../../../parquet-crypto/src/format.ts';
import { TYPE } from '../../../parquet-crypto/src/thrift/compact.ts';
import {
  binary,
  type Edits,
  encodeStruct,
  i32,
  struct,
} from '../../../parquet-crypto/src/thrift/struct.ts';
import { mintParquet } from '../../../parquet-crypto/testing/mint.ts';
import { codeOf, Desk } from '../../testing/ingest.ts';
import { compareParquet } from './compare/compare-parquet.ts';
import { convertToParquet } from './convert.ts';
import { inspectInput } from './inspect.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** Puts other bytes wherever some are. */
async function changed(path: string, from: readonly number[], to: readonly number[]) {
  const bytes = await readFile(path);
  for (let at = bytes.indexOf(Uint8Array.from(from)); at >= 0; ) {
    bytes.set(to, at);
    at = bytes.indexOf(Uint8Array.from(from), at + 1);
  }
  await writeFile(path, bytes);
  return path;
}

async function refusal(path: string, message: RegExp): Promise<void> {
  await expect(inspectInput(path)).rejects.toMatchObject({
    code: 'value-not-of-type',
    message: expect.stringMatching(message),
  });
}

it('texts that are no UTF-8', async () => {
  const path = await desk.parquet("SELECT unnest(['a', NULL, 'bé', 'é']) AS t");
  await changed(path, [0xc3, 0xa9], [0xc3, 0x28]);
  await refusal(path, /^column t is STRING .* 2 of its values .* row 3: texts are UTF-8/);
});

it('times of day beyond a day, which the engine takes', async () => {
  const TIME_MILLIS = { 6: { type: 5, value: 7 } } as const;
  const bytes = mintParquet({ valuesPerPage: 3, element: TIME_MILLIS });
  const footer = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  bytes[bytes.length - 8 - footer - 1] = 0x7f;
  const path = await desk.given('t.parquet', bytes);
  await refusal(path, /^column c0 is TIME\(MILLIS,UTC\) .* 1 of its values .* row 3: times of day/);
});

it('milliseconds that microseconds do not reach', async () => {
  const path = await desk.parquet("SELECT unnest(['2020-01-01', '290000-01-01'])::TIMESTAMP AS at");
  // TimestampType of the footer: isAdjustedToUTC false, the unit MICROS, which becomes MILLIS.
  await changed(path, [0x12, 0x1c, 0x2c, 0, 0], [0x12, 0x1c, 0x1c, 0, 0]);
  await refusal(
    path,
    /^column at is TIMESTAMP\(MILLIS,LOCAL\) .* 1 of its values .* row 2: microsec/,
  );
});

const PHYSICAL = { INT32: 1, INT64: 2, INT96: 3, BYTE_ARRAY: 6 } as const;
type Physical = keyof typeof PHYSICAL;

/** A value as PLAIN has it; of BYTE_ARRAY without its length. */
function plain(physical: Physical, value: bigint | readonly number[]): Buffer {
  if (typeof value !== 'bigint') return Buffer.from(value);
  const bytes = Buffer.alloc(physical === 'INT32' ? 4 : 8);
  if (physical === 'INT32') bytes.writeInt32LE(Number(value));
  else bytes.writeBigInt64LE(value);
  return bytes;
}

/** INT96: nanoseconds of the day, and its Julian number. */
function int96(day: number, nanos = 0n): readonly number[] {
  const bytes = Buffer.alloc(12);
  bytes.writeBigInt64LE(nanos);
  bytes.writeInt32LE(day, 8);
  return [...bytes];
}

/** A column c0 of these values; `bounds`: what its statistics say, the least and the greatest. */
function stored(
  physical: Physical,
  element: Edits,
  values: readonly (bigint | readonly number[])[],
  bounds?: readonly [bigint, bigint],
): Promise<string> {
  const parts = values.map((value) => plain(physical, value));
  const length = (part: Buffer) => plain('INT32', BigInt(part.length));
  const body = Buffer.concat(
    physical === 'BYTE_ARRAY' ? parts.flatMap((part) => [length(part), part]) : parts,
  );
  const [least, greatest] = (bounds ?? []).map((bound) => binary(plain(physical, bound)));
  const said = bounds && { [COLUMN.statistics]: struct(encodeStruct({ 5: greatest, 6: least })) };
  const bytes = mintParquet({
    valuesPerPage: values.length,
    body,
    page: { [PAGE.uncompressedSize]: i32(body.length) },
    element: { [ELEMENT.type]: i32(PHYSICAL[physical]), ...element },
    metadata: { [COLUMN.type]: i32(PHYSICAL[physical]), ...said },
  });
  return desk.given('t.parquet', bytes);
}

const DAY = 86_400_000_000_000n;
const converted = (type: number): Edits => ({ [ELEMENT.convertedType]: i32(type) });
const decimal = (precision: number): Edits => ({
  ...converted(5),
  [ELEMENT.precision]: i32(precision),
  [ELEMENT.scale]: i32(2),
});
/** A time without zone, in microseconds. */
const LOCAL_MICROS: Edits = {
  [ELEMENT.logicalType]: struct(
    encodeStruct({
      8: struct(
        encodeStruct({
          1: { type: TYPE.false, value: new Uint8Array(0) },
          2: struct(encodeStruct({ 2: struct(encodeStruct({})) })),
        }),
      ),
    }),
  ),
};

/** Name, how it is stored, values that fit, values that do not. */
const BEYOND: readonly [
  string,
  Physical,
  Edits,
  readonly (bigint | readonly number[])[],
  readonly (bigint | readonly number[])[],
][] = [
  ['INT_8', 'INT32', converted(15), [-128n, 127n], [128n, -129n, 300n]],
  ['INT_16', 'INT32', converted(16), [-32768n, 32767n], [32768n, -32769n]],
  ['UINT_8', 'INT32', converted(11), [0n, 255n], [256n, -1n, 300n]],
  ['UINT_16', 'INT32', converted(12), [0n, 65535n], [65536n, -1n]],
  ['DECIMAL(4,2)', 'INT32', decimal(4), [-9999n, 9999n], [10000n, -10000n, 123456n]],
  ['DECIMAL(9,2)', 'INT32', decimal(9), [999999999n], [1000000000n, 2147483647n]],
  ['DECIMAL(9,2)', 'INT64', decimal(9), [999999999n], [-1000000000n, 10n ** 12n]],
  ['DECIMAL(18,2)', 'INT64', decimal(18), [1n - 10n ** 18n], [10n ** 18n, -(2n ** 63n)]],
  [
    'DECIMAL(5,2)',
    'BYTE_ARRAY',
    decimal(5),
    [[1], [0, 0, 1], []],
    [
      [127, 255, 255, 255],
      [128, 0, 0],
    ],
  ],
  ['DECIMAL(38,2)', 'BYTE_ARRAY', decimal(38), [[255]], [[127, ...Array(15).fill(255)]]],
  ['DECIMAL(38,2)', 'BYTE_ARRAY', decimal(38), [[255]], [[1, ...Array(16).fill(0)]]],
  [
    'INT96',
    'INT96',
    {},
    [int96(0), int96(2_440_588, DAY), int96(2_440_588 + 106_751_991)],
    [int96(2_440_588 + 106_751_992), int96(-1), int96(2_440_588, -1n), int96(2_440_588, DAY + 1n)],
  ],
  [
    'TIME(MICROS,UTC)',
    'INT64',
    converted(8),
    [0n, 86_399_999_999n],
    [86_400_000_000n, -1n, 2n ** 56n],
  ],
  ['DATE', 'INT32', converted(6), [2147483647n, -2147483647n], [-2147483648n]],
  [
    'TIMESTAMP(MICROS,LOCAL)',
    'INT64',
    LOCAL_MICROS,
    [2n ** 63n - 1n, 1n - 2n ** 63n],
    [2n - 2n ** 63n, -(2n ** 63n)],
  ],
];

describe.each(BEYOND)('values beyond %s of %s', (type, physical, element, fit, beyond) => {
  it('are told by their number and the first row, and those at its ends are taken', async () => {
    const path = await stored(physical, element, fit);
    const { columns } = await inspectInput(path);
    const made = join(path, '..', 'made.parquet');
    await convertToParquet(path, made);
    await compareParquet({ source: path, parquet: made, columns });
    for (const one of beyond) {
      const is = `^column c0 is ${type.replace(/[()]/g, '.')} by`;
      const says = new RegExp(`${is} .* 1 of its values .* row ${fit.length + 1}:`);
      await refusal(await stored(physical, element, [...fit, one]), says);
    }
    const all = new RegExp(` ${beyond.length} of its values .* row 1:`);
    await refusal(await stored(physical, element, [...beyond, ...fit]), all);
  });
});

it('statistics tell which columns are looked at; none at all, that they are', async () => {
  const read = async (bounds?: readonly [bigint, bigint]) =>
    codeOf(inspectInput(await stored('INT32', converted(15), [1n, 300n], bounds)));
  expect(await read()).toBe('value-not-of-type');
  expect(await read([1n, 300n])).toBe('value-not-of-type');
  expect(await read([-129n, 1n])).toBe('value-not-of-type');
  // What they deny is noticed when what was made is compared.
  expect(await read([1n, 100n])).toBe('accepted');
  const path = await stored('INT32', converted(15), [1n, 300n], [1n, 100n]);
  const parquet = join(path, '..', 'made.parquet');
  const { columns } = await convertToParquet(path, parquet);
  const compared = compareParquet({ source: path, parquet, columns });
  await expect(compared).rejects.toMatchObject({ code: 'value-changed', details: { row: 2 } });
});

describe('types of older writers and of none', () => {
  it.each([
    [9, 1_700_000_000_123n],
    [10, 1_700_000_000_123_456n],
  ])('a converted type alone that is a time says an instant (%d)', async (type, value) => {
    const source = await stored('INT64', converted(type), [value]);
    const parquet = join(source, '..', 'made.parquet');
    const { columns } = await convertToParquet(source, parquet);
    expect(columns).toEqual([{ name: 'c0', type: 'TIMESTAMP WITH TIME ZONE' }]);
    await compareParquet({ source, parquet, columns });
    const sql = `SELECT epoch_us(c0)::VARCHAR FROM '${parquet}'`;
    expect(await desk.query(sql)).toEqual([[`${type === 9 ? value * 1_000n : value}`]]);
  });

  it.each<[string, Physical, number, string]>([
    ['STRING', 'INT32', 0, 'BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY'],
    ['INT_8', 'INT64', 15, 'INT32'],
    ['TIMESTAMP.MICROS,UTC.', 'INT32', 10, 'INT64'],
    ['DATE', 'BYTE_ARRAY', 6, 'INT32'],
  ])('%s of %s is refused as what it is', async (type, physical, id, wanted) => {
    const value = physical === 'BYTE_ARRAY' ? [1] : 1n;
    const path = await stored(physical, converted(id), [value]);
    await expect(inspectInput(path)).rejects.toMatchObject({
      code: 'column-type-unsupported',
      message: expect.stringMatching(`c0 is ${type} .* stored as ${physical}: .* are ${wanted}: `),
    });
  });
});
