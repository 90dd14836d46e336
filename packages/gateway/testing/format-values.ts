// SPDX-License-Identifier: Apache-2.0
// The values that other people's libraries are asked to write as Parquet, in one form that depends
// on no library: what their readers find is put into it as well (interop/canonical.py).
//
// | kind | a value |
// |---|---|
// | bool, int, text | `true`, decimal digits, the text itself |
// | real | the 64 bits of its double in hexadecimal, `nan` for every NaN |
// | decimal | its unscaled digits, `e-`, the scale |
// | bytes, uuid | hexadecimal |
// | date | days since 1970 |
// | time, timestamp, instant | nanoseconds, since midnight or 1970 |

export interface Values {
  readonly kind: string;
  readonly values: readonly (string | null)[];
}

const of = (kind: string, ...values: readonly (string | null)[]): Values => ({
  kind,
  values: [...values, null],
});

/** The bits of a double. */
export function bits(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
}

const reals = (...values: readonly number[]): Values => of('real', ...values.map(bits));
const NO_NUMBERS = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0];
const decimals = (scale: number, ...unscaled: readonly string[]): Values =>
  of('decimal', ...unscaled.map((digits) => `${digits}e-${scale}`));
const times = (kind: string, unit: bigint, ...values: readonly bigint[]): Values =>
  of(kind, ...values.map((value) => `${value * unit}`));
const nines = (count: number): string => '9'.repeat(count);

const [NS, US, MS] = [1n, 1_000n, 1_000_000n];
/** 0001-01-01 and the last microsecond of 9999, in microseconds. */
const [YEAR_1, YEAR_9999] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n];
const DAY_US = 86_400_000_000n;
const moments = (kind: string, unit: bigint): Values => {
  const perUs = unit === MS ? 1_000n : 1n;
  // Of negative ones a division would go towards zero: these are whole milliseconds.
  return times(kind, unit, YEAR_1 / perUs, -1n, 0n, 1_591_005_600_123n, YEAR_9999 / perUs);
};
const whole = (bits: bigint, signed: boolean): Values => {
  const [least, greatest] = signed
    ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n]
    : [0n, 2n ** bits - 1n];
  return of('int', `${least}`, `${greatest}`, '1', signed ? '-1' : '0');
};

/** A column a type, its least value, its greatest, and those that are easily mistaken. */
export const TYPES: Readonly<Record<string, Values>> = {
  bool: of('bool', 'true', 'false'),
  int8: whole(8n, true),
  int16: whole(16n, true),
  int32: whole(32n, true),
  int64: of('int', `${-(2n ** 63n)}`, `${2n ** 63n - 1n}`, '9007199254740993', '-1'),
  uint8: whole(8n, false),
  uint16: whole(16n, false),
  uint32: whole(32n, false),
  uint64: of('int', '0', `${2n ** 64n - 1n}`, `${2n ** 63n}`, '9007199254740993'),
  float16: reals(65_504, 2 ** -24, ...NO_NUMBERS),
  float32: reals(Math.fround(-3.4028235e38), Math.fround(1e-45), Math.fround(0.1), ...NO_NUMBERS),
  float64: reals(-Number.MAX_VALUE, Number.MIN_VALUE, 0.1, 2 ** 53 + 2, ...NO_NUMBERS),
  'decimal(9,2)': decimals(2, `-${nines(9)}`, nines(9), '0', '10', '-1'),
  'decimal(18,6)': decimals(6, `-${nines(18)}`, nines(18), '0', '1'),
  'decimal(38,10)': decimals(10, `-${nines(38)}`, nines(38), '0', '1'),
  'decimal(50,2)': decimals(2, `-${nines(50)}`, '150'),
  string: of('text', '', 'NULL', 'é\u{10ffff}', 'a "b",\r\nc', ' \t', 'x'.repeat(300)),
  binary: of('bytes', '', '00ff', 'c3', '00'.repeat(300)),
  'fixed(5)': of('bytes', '0000000000', 'ffffffff00'),
  uuid: of('uuid', '0'.repeat(32), 'fffffffe800000007fffffffffffff01'),
  json: of('text', '{"a": [1, null]}', '1.50'),
  enum: of('text', 'one', 'two', 'one'),
  date: of('date', '-719162', '-141428', '-25567', '-1', '0', '2932896'),
  time_ms: times('time', MS, 0n, 1n, 86_399_999n),
  time_us: times('time', US, 0n, 1n, 86_399_999_999n),
  time_ns: times('time', NS, 0n, 1n, 86_399_999_999_999n),
  timestamp_ms: moments('timestamp', MS),
  timestamp_us: moments('timestamp', US),
  timestamp_ns: times('timestamp', NS, -9_223_286_400_000_000_000n, -1n, 0n, 2n ** 63n - 2n),
  instant_ms: moments('instant', MS),
  instant_us: moments('instant', US),
  instant_ns: times('instant', US, -9_223_286_400_000_000n, -1n, 0n, 9_223_286_400_000_000n),
  'instant_ns, finer': times('instant', NS, -1n, 1_001n, 2_000n),
  int96: times('timestamp', US, -2_208_988_800_000_001n, -1n, 0n, 1_591_005_600_123_456n),
  'int96, finer': times('timestamp', NS, -1n, 1_001n, 2_000n),
  dictionary: of('text', 'a', '', 'b', 'a', 'a', 'é'),
  null: { kind: 'int', values: [null, null, null] },
  interval: of('int', '1', '-2'),
  list: of('int', '1', '2'),
  struct: of('int', '1', '2'),
  map: of('int', '1', '2'),
};

const ROWS = 3_000;
/** Every seventh is absent. */
const many = (kind: string, value: (i: number) => string): Values => ({
  kind,
  values: Array.from({ length: ROWS }, (_, i) => (i % 7 === 3 ? null : value(i))),
});
/** Numbers without order, the same at each run. */
const stirred = (i: number): bigint => (BigInt(i + 1) * 0x9e37_79b9_7f4a_7c15n) & (2n ** 64n - 1n);

/** More rows than a page or a block holds; without order, in order, repeated, of one beginning. */
export const BULK: Readonly<Record<string, Values>> = {
  i32: many('int', (i) => `${BigInt.asIntN(31, stirred(i) >> 20n)}`),
  i64: many('int', (i) => `${BigInt.asIntN(64, stirred(i))}`),
  steps: many('int', (i) => `${1_600_000_000_000n + BigInt(i * i)}`),
  f32: many('real', (i) => bits(i % 11 === 0 ? -0 : Math.fround(i / 7))),
  f64: many('real', (i) => bits(i % 13 === 0 ? Number.NaN : i / 7)),
  flag: many('bool', (i) => `${stirred(i) % 3n === 0n}`),
  text: many('text', (i) => (i % 10 === 0 ? '' : `text ${stirred(i) % 1_000_000n}`)),
  words: many('text', (i) => `word ${i % 5}`),
  bin: many('bytes', (i) =>
    stirred(i)
      .toString(16)
      .padStart(16, '0')
      .repeat(i % 3),
  ),
  fixed: many('bytes', (i) => stirred(i).toString(16).padStart(16, '0').slice(0, 10)),
  day: many('date', (i) => `${(i * 37) % 40_000}`),
  at: many('timestamp', (i) => `${(1_600_000_000_000_000n + BigInt(i * i)) * US - DAY_US}`),
  money: many('decimal', (i) => `${BigInt.asIntN(50, stirred(i))}e-6`),
};

/** Integers of 32 bits that lie farther apart than integers of 32 bits reach. */
export const FAR: Values = many('int', (i) => {
  const ends = ['-2147483648', '2147483647', '0'];
  return i < 300 ? (ends[i % 3] as string) : `${BigInt.asIntN(32, stirred(i) >> 11n)}`;
});
