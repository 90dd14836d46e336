// SPDX-License-Identifier: Apache-2.0
// Numbers, days and times read from the bytes of a field, where they are written in the usual way;
// anything else is left to the readers of texts (number-forms.ts, times.ts, compare/), which decide
// what it is. Each writes the value and answers its shape: what those readers would learn of it.
// Two values of one shape teach them the same, so only the first is shown to them.

/** What the bytes are not. */
export const OTHER = -1;
/** A number of more digits than are read here. */
export const LONG = -2;

export const ZERO = 48;
export const NINE = 57;
export const MINUS = 45;
export const POINT = 46;
/** So many digits a double keeps, whichever they are. */
const SURE_DIGITS = 15;
/**
 * Below it numbers of as many digits lie further apart than doubles do, so that each is the only
 * one of its double; and both it and a power of ten are exact, so their quotient is rounded once.
 */
const SURE_MANTISSA = 2 ** 52;
/** Powers of ten that doubles have exactly. */
export const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i);

/** A plain number: digits, perhaps with a minus, perhaps with a point and digits after it. */
export function readNumber(
  values: Float64Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let from = start;
  const negative = bytes[from] === MINUS;
  if (negative) from++;
  const first = from < end ? (bytes[from] as number) : 0;
  if (first < ZERO || first > NINE) return OTHER;
  let mantissa = 0;
  for (; from < end; from++) {
    const char = bytes[from] as number;
    if (char < ZERO || char > NINE) break;
    mantissa = mantissa * 10 + (char - ZERO);
  }
  let whole = from - start - (negative ? 1 : 0);
  if (first === ZERO) {
    if (whole > 1) return OTHER;
    whole = 0;
  }
  let fraction = 0;
  let zeros = 0;
  let leading = 0;
  if (from < end) {
    if (bytes[from] !== POINT) return OTHER;
    const point = from++;
    for (; from < end; from++) {
      const char = bytes[from] as number;
      if (char < ZERO || char > NINE) return OTHER;
      mantissa = mantissa * 10 + (char - ZERO);
      zeros = char === ZERO ? zeros + 1 : 0;
      if (mantissa === 0) leading++;
    }
    fraction = from - point - 1;
    if (fraction === 0) return OTHER;
  }
  if (whole > 0) leading = 0;
  if (negative && mantissa === 0) return OTHER;
  if (whole + fraction > SURE_DIGITS + 1) return LONG;
  if (mantissa >= SURE_MANTISSA && whole + fraction > SURE_DIGITS) return LONG;
  const value = fraction === 0 ? mantissa : mantissa / (POWERS[fraction] as number);
  values[at] = negative ? -value : value;
  return (((((leading << 5) | whole) << 5) | fraction) << 5) | zeros;
}

/**
 * A whole number of up to 18 digits as two's complement in 64 bits, low half first; answers
 * whether it is one.
 */
export function readWhole(
  words: Int32Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const negative = bytes[start] === MINUS;
  const from = negative ? start + 1 : start;
  const digits = end - from;
  if (digits < 1 || digits > 18) return false;
  let upper = 0;
  let lower = 0;
  for (let i = from; i < end; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return false;
    if (end - i > 9) upper = upper * 10 + digit;
    else lower = lower * 10 + digit;
  }
  // upper * 10^9 + lower: every part stays below 2^53.
  const one = (upper >>> 15) * 1e9;
  const two = (upper & 0x7fff) * 1e9 + lower;
  const rest = (one % 0x2_0000) * 0x8000 + two;
  let low = (rest % 0x1_0000_0000) | 0;
  let high = (Math.floor(one / 0x2_0000) + Math.floor(rest / 0x1_0000_0000)) | 0;
  if (negative) {
    low = -low | 0;
    high = (~high + (low === 0 ? 1 : 0)) | 0;
  }
  words[at] = low;
  words[at + 1] = high;
  return true;
}

function two(bytes: Uint8Array, at: number): number {
  const one = (bytes[at] as number) - ZERO;
  const other = (bytes[at + 1] as number) - ZERO;
  return one < 0 || one > 9 || other < 0 || other > 9 ? -1 : one * 10 + other;
}

/** Days from 1970 to a day of the proleptic Gregorian calendar; NaN where there is no such day. */
function readDay(bytes: Uint8Array, at: number): number {
  const century = two(bytes, at);
  const rest = two(bytes, at + 2);
  const month = two(bytes, at + 5);
  const day = two(bytes, at + 8);
  const form = bytes[at + 4] === MINUS && bytes[at + 7] === MINUS;
  if (!form || century < 0 || rest < 0 || month < 1 || month > 12 || day < 1) return Number.NaN;
  const year = century * 100 + rest;
  if (year < 1) return Number.NaN;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const most = month === 2 ? (leap ? 29 : 28) : 30 + ((month + (month >> 3)) & 1);
  if (day > most) return Number.NaN;
  // Years from March, so that the leap day is their last.
  const y = month > 2 ? year : year - 1;
  const m = month > 2 ? month - 3 : month + 9;
  const days = 365 * y + (y >> 2) - Math.floor(y / 100) + Math.floor(y / 400);
  return days + Math.floor((153 * m + 2) / 5) + day - 719_469;
}

/** A day of ISO 8601, as days since 1970. */
export function readDate(
  values: Float64Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start !== 10) return OTHER;
  const day = readDay(bytes, start);
  if (Number.isNaN(day)) return OTHER;
  values[at] = day;
  return 0;
}

const SPACE = 32;
const COLON = 58;
const LETTER_T = 84;
const LETTER_Z = 90;
const PLUS = 43;
const DAY_MICROS = 86_400e6;
/** Bits of the shape of a time. */
const ZONED = 1;
const Z_ZONE = 2;
const HAS_SECONDS = 4;
const IS_T = 8;
const SHORT = 16;

export function isZoned(shape: number): boolean {
  return (shape & ZONED) !== 0;
}

/**
 * A day and a time of ISO 8601 without offset, or at that of UTC (Z, +00:00, +00), as
 * microseconds since 1970.
 */
export function readTime(
  values: Float64Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start < 16) return OTHER;
  const separator = bytes[start + 10];
  if (separator !== SPACE && separator !== LETTER_T) return OTHER;
  const day = readDay(bytes, start);
  const hour = two(bytes, start + 11);
  const minute = two(bytes, start + 14);
  const clock = hour >= 0 && hour < 24 && minute >= 0 && minute < 60;
  if (Number.isNaN(day) || !clock || bytes[start + 13] !== COLON) return OTHER;
  let shape = separator === LETTER_T ? IS_T : 0;
  let from = start + 16;
  let second = 0;
  let fraction = 0;
  let digits = 0;
  let zeros = 0;
  if (from < end && bytes[from] === COLON) {
    if (end - from < 3) return OTHER;
    second = two(bytes, from + 1);
    if (second < 0 || second > 59) return OTHER;
    shape |= HAS_SECONDS;
    from += 3;
    if (from < end && bytes[from] === POINT) {
      for (from++; from < end; from++) {
        const digit = (bytes[from] as number) - ZERO;
        if (digit < 0 || digit > 9) break;
        fraction = fraction * 10 + digit;
        zeros = digit === 0 ? zeros + 1 : 0;
        digits++;
      }
      if (digits === 0 || digits > 6) return OTHER;
    }
  }
  if (from < end) {
    if (bytes[from] === LETTER_Z && end - from === 1) shape |= ZONED | Z_ZONE;
    else if (isZeroOffset(bytes, from, end)) shape |= end - from === 3 ? ZONED | SHORT : ZONED;
    else return OTHER;
  }
  const micros = fraction * (POWERS[6 - digits] as number);
  const value = day * DAY_MICROS + (hour * 3_600 + minute * 60 + second) * 1e6 + micros;
  if (!Number.isSafeInteger(value)) return OTHER;
  values[at] = value;
  return (((digits << 3) | zeros) << 5) | shape;
}

function isZeroOffset(bytes: Uint8Array, from: number, end: number): boolean {
  if (bytes[from] !== PLUS || end - from < 3 || two(bytes, from + 1) !== 0) return false;
  if (end - from === 3) return true;
  return end - from === 6 && bytes[from + 3] === COLON && two(bytes, from + 4) === 0;
}

/** A word of an even number is false, of an odd one true. */
const BOOLEANS = ['false', 'true', 'FALSE', 'TRUE', 'False', 'True'].map((word) =>
  Uint8Array.from(word, (char) => char.charCodeAt(0)),
);

/** True and false, as 1 and 0; the shape says how they are written. */
export function readBoolean(
  values: Float64Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  for (let i = 0; i < BOOLEANS.length; i++) {
    const word = BOOLEANS[i] as Uint8Array;
    if (word.length !== end - start || bytes[start] !== word[0]) continue;
    let same = 1;
    while (same < word.length && bytes[start + same] === word[same]) same++;
    if (same < word.length) continue;
    values[at] = i & 1;
    return i;
  }
  return OTHER;
}

/** Digits after a zero that leads them, perhaps with a minus: a code. */
export function isZeroLed(bytes: Uint8Array, start: number, end: number): boolean {
  const from = bytes[start] === MINUS ? start + 1 : start;
  if (end - from < 2 || bytes[from] !== ZERO) return false;
  for (let i = from + 1; i < end; i++) {
    const char = bytes[i] as number;
    if (char < ZERO || char > NINE) return false;
  }
  return true;
}
