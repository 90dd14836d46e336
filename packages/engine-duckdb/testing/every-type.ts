// SPDX-License-Identifier: Apache-2.0
// Every type that a column may have, with its least value, its greatest and those that are easily
// lost: how each is written as text, and what it is beneath. Two readers are held to it: ours in
// `npm test`, pyarrow in the lane `interop`.
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';

export interface Sample {
  /** As the engine reads it. */
  readonly sql: string;
  /** In CSV; in JSON a number or a text of it. */
  readonly text: string;
  /**
   * What a binary format holds: integers of its unit in decimal, unscaled decimals, bits of a
   * double in hexadecimal, bytes in hexadecimal, texts as they are.
   */
  readonly raw: string;
}

const same = (...texts: readonly string[]): Sample[] =>
  texts.map((text) => ({ sql: text, text, raw: text }));
const sample = (sql: string, text: string, raw: string): Sample => ({ sql, text, raw });
const unscaled = (...texts: readonly string[]): Sample[] =>
  texts.map((text) => sample(text, text, `${BigInt(text.replace('.', ''))}`));

/** The bits of a double. */
export function bitsOf(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return Number.isNaN(value) ? 'nan' : view.getBigUint64(0).toString(16).padStart(16, '0');
}

const real = (sql: string, text: string, value: number): Sample => sample(sql, text, bitsOf(value));
const NO_NUMBERS = [
  real('nan', 'NaN', Number.NaN),
  real('inf', 'Infinity', Number.POSITIVE_INFINITY),
  real('-inf', '-Infinity', Number.NEGATIVE_INFINITY),
  real('-0', '-0.0', -0),
];
const NINES = '9'.repeat(38);
const FOREVER = `${2n ** 63n - 1n}`;
const NEVER = [
  sample('infinity', 'Infinity', FOREVER),
  sample('-infinity', '-Infinity', `-${FOREVER}`),
];
const FIRST = ['290309-12-22 (BC) 00:00:00', '-290308-12-22T00:00:00'] as const;

export const SAMPLES: Readonly<Record<string, readonly Sample[]>> = {
  BOOLEAN: same('false', 'true'),
  TINYINT: same('-128', '127'),
  SMALLINT: same('-32768', '32767'),
  INTEGER: same('-2147483648', '2147483647'),
  BIGINT: same('-9223372036854775808', '9223372036854775807', '9007199254740993'),
  UTINYINT: same('0', '255'),
  USMALLINT: same('0', '65535'),
  UINTEGER: same('0', '4294967295'),
  UBIGINT: same('0', '18446744073709551615'),
  FLOAT: [
    real('-3.4028235e+38', '-3.4028235e+38', Math.fround(-3.4028235e38)),
    real('1e-45', '1e-45', Math.fround(1e-45)),
    real('0.1', '0.1', Math.fround(0.1)),
    ...NO_NUMBERS,
  ],
  DOUBLE: [
    real('-1.7976931348623157e+308', '-1.7976931348623157e+308', -Number.MAX_VALUE),
    real('5e-324', '5e-324', Number.MIN_VALUE),
    real('0.1', '0.1', 0.1),
    ...NO_NUMBERS,
  ],
  VARCHAR: same('', 'NULL', 'é\u{10ffff}', 'a "b",\r\nc', ' \t', '=1+1', '\\N', '#'),
  BLOB: [sample('', '', ''), sample('\\x00\\xFF', 'AP8=', '00ff')],
  UUID: [
    sample(
      '00000000-0000-0000-0000-000000000000',
      '00000000-0000-0000-0000-000000000000',
      '0'.repeat(32),
    ),
    sample(
      'fffffffe-8000-0000-7fff-ffffffffff01',
      'fffffffe-8000-0000-7fff-ffffffffff01',
      'fffffffe800000007fffffffffffff01',
    ),
  ],
  DATE: [
    sample('5877642-06-25 (BC)', '-5877641-06-25', '-2147483646'),
    sample('5881580-07-10', '+5881580-07-10', '2147483646'),
    sample('0044-03-15 (BC)', '-000043-03-15', '-735160'),
    sample('0000-01-01', '0000-01-01', '-719528'),
    sample('10000-01-01', '+010000-01-01', '2932897'),
    sample('9999-12-31', '9999-12-31', '2932896'),
    sample('infinity', 'Infinity', '2147483647'),
    sample('-infinity', '-Infinity', '-2147483647'),
  ],
  TIME: [
    sample('00:00:00', '00:00:00', '0'),
    sample('23:59:59.999999', '23:59:59.999999', '86399999999'),
  ],
  TIME_NS: [
    sample('00:00:00', '00:00:00', '0'),
    sample('23:59:59.999999999', '23:59:59.999999999', '86399999999999'),
  ],
  TIMESTAMP: [
    sample(...FIRST, '-9223372022400000000'),
    sample('294247-01-10 04:00:54.775806', '+294247-01-10T04:00:54.775806', '9223372036854775806'),
    sample('2020-01-01 00:00:00.5', '2020-01-01T00:00:00.5', '1577836800500000'),
    ...NEVER,
  ],
  TIMESTAMP_S: [
    sample(...FIRST, '-9223372022400'),
    sample('294247-01-10 04:00:54', '+294247-01-10T04:00:54', '9223372036854'),
  ],
  TIMESTAMP_MS: [
    sample(...FIRST, '-9223372022400000'),
    sample('294247-01-10 04:00:54.775', '+294247-01-10T04:00:54.775', '9223372036854775'),
  ],
  TIMESTAMP_NS: [
    sample('1677-09-22 00:00:00', '1677-09-22T00:00:00', '-9223286400000000000'),
    sample('2262-04-11 23:47:16.854775806', '2262-04-11T23:47:16.854775806', '9223372036854775806'),
    ...NEVER,
  ],
  'TIMESTAMP WITH TIME ZONE': [
    sample(`${FIRST[0]}+00`, `${FIRST[1]}Z`, '-9223372022400000000'),
    sample('2020-06-01 12:00:00.000001+02', '2020-06-01T10:00:00.000001Z', '1591005600000001'),
    ...NEVER,
  ],
  'DECIMAL(2,2)': unscaled('-0.99', '0.99', '0.00'),
  'DECIMAL(4,1)': unscaled('-999.9', '999.9'),
  'DECIMAL(9,0)': unscaled('-999999999', '999999999'),
  'DECIMAL(18,2)': unscaled('-9999999999999999.99', '9999999999999999.99', '0.10'),
  'DECIMAL(38,0)': unscaled(`-${NINES}`, NINES),
  'DECIMAL(38,38)': unscaled(`-0.${NINES}`, `0.${NINES}`),
};

/** Their rows: values by position, NULL where a type has no more, and a last row of NULLs. */
export const ROWS = 1 + Math.max(...Object.values(SAMPLES).map((samples) => samples.length));

/** A column a type, named by it, as one Parquet file in `folder`. */
export async function writeEveryType(db: DuckDBConnection, folder: string): Promise<string> {
  await db.run("SET TimeZone='UTC'");
  const file = join(folder, 'every-type.parquet');
  const rows = Array.from({ length: ROWS }, (_, row) => {
    const cells = Object.entries(SAMPLES).map(([type, samples]) => {
      const value = samples[row]?.sql;
      const text = value === undefined ? 'NULL' : `'${value.replaceAll("'", "''")}'`;
      return `CAST(${text} AS ${type}) AS "${type}"`;
    });
    return `SELECT ${cells.join(', ')}`;
  });
  await db.run(`COPY (${rows.join(' UNION ALL ')}) TO '${file}' (FORMAT parquet)`);
  return file;
}

/** Column by column what is beneath, NULL as null. */
export const RAW = Object.values(SAMPLES).map((samples) =>
  Array.from({ length: ROWS }, (_, row) => samples[row]?.raw ?? null),
);
