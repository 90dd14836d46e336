// SPDX-License-Identifier: Apache-2.0
// Numbers of 16 or 17 digits with a point, as programs write doubles, read without a text: the
// double, and proof that the number is the shortest that stands for it. Whoever cannot be proved
// to is left to Number() and String().
//
// The digits are a whole number m, the double d; in units of the last digit r = m - d * 10^f is
// computed without an error that matters (products in two doubles, after Dekker), and half the way
// to d's neighbours is h. Then |r| < h proves d, |r| < 1/2 that no other number of as many digits
// is nearer to d, and no multiple of ten within h of d that none of fewer digits stands for it.

import { MINUS, NINE, POINT, POWERS, ZERO } from './cells.ts';

const FIRST_DIGITS = 15;
const MOST_DIGITS = 17;
const SPLITTER = 2 ** 27 + 1;
const SURE = 1 - 1e-9;
const SURELY_MORE = 1 + 1e-9;

const double = new Float64Array(1);
const words = new Int32Array(double.buffer);

/** What `product` leaves out of a * b, exactly. */
function rest(a: number, b: number, product: number): number {
  const wideA = SPLITTER * a;
  const highA = wideA - (wideA - a);
  const lowA = a - highA;
  const wideB = SPLITTER * b;
  const highB = wideB - (wideB - b);
  const lowB = b - highB;
  return lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB);
}

/** Half the way from a double to the next larger; NaN where it is small, or a power of two. */
function halfStep(value: number): number {
  double[0] = value;
  const high = words[1] as number;
  const exponent = (high >>> 20) & 0x7ff;
  if (exponent < 64 || ((high & 0xfffff) === 0 && words[0] === 0)) return Number.NaN;
  words[1] = (exponent - 53) << 20;
  words[0] = 0;
  return double[0];
}

/** Writes the double and answers the shape, as `readNumber` does; -1 where nothing is proved. */
export function readLongNumber(
  values: Float64Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const negative = bytes[start] === MINUS;
  const from = negative ? start + 1 : start;
  const zero = bytes[from] === ZERO;
  if (bytes[from] === POINT || (zero && bytes[from + 1] !== POINT)) return -1;
  let [first, second, digits, point, leading] = [0, 0, 0, -1, 0];
  let last = 0;
  for (let i = from; i < end; i++) {
    const char = bytes[i] as number;
    if (char === POINT && point < 0) {
      point = i;
      continue;
    }
    if (char < ZERO || char > NINE) return -1;
    last = char - ZERO;
    if (digits === 0 && last === 0) {
      if (point >= 0) leading++;
      continue;
    }
    digits++;
    if (digits > FIRST_DIGITS) second = second * 10 + last;
    else first = first * 10 + last;
  }
  const fraction = point < 0 ? 0 : end - point - 1;
  if (digits <= FIRST_DIGITS || digits > MOST_DIGITS || fraction < 1 || fraction > 22) return -1;
  const tens = POWERS[digits - FIRST_DIGITS] as number;
  const unit = POWERS[fraction] as number;
  const m = first * tens;
  const mRest = rest(first, tens, m) + second;
  const guess = m / unit;
  const off = guess * unit;
  const value = guess + (m - off - rest(guess, unit, off) + mRest) / unit;
  const product = value * unit;
  const r = m - product - rest(value, unit, product) + mRest;
  const h = halfStep(value) * unit;
  const proved =
    Math.abs(r) < 0.5 * SURE &&
    Math.abs(r) < h * SURE &&
    Math.abs(last - r) > h * SURELY_MORE &&
    Math.abs(10 - last + r) > h * SURELY_MORE;
  if (!proved) return -1;
  values[at] = negative ? -value : value;
  const whole = digits + leading - fraction;
  return (((((leading << 5) | whole) << 5) | fraction) << 5) | 0;
}
