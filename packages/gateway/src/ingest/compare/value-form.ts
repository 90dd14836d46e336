// SPDX-License-Identifier: Apache-2.0
// A value in one form, whether it comes from a text file or from the engine: what is compared when
// a sealed file is read back.
//
// Invariant: in a column of one type two values have one form only where they are the same value;
// a text that is no value of the type has a form that no value has.
import { fromUtf8 } from '@cloister/core';
import type { ToInstant } from '../dialect/zones.ts';
import { bytesOf, type EngineValue } from '../duck.ts';

export type Form = string | number;

/** How a column is compared whose source has values of `T`. */
export interface Forms<T = string> {
  /** What the engine is asked for, of the quoted name of the column. */
  readonly ask: (column: string) => string;
  readonly ofEngine: (value: EngineValue) => Form;
  readonly ofSource: (value: T) => Form;
}

export const asIs = (column: string) => column;
export const asText = (column: string) => `CAST(${column} AS VARCHAR)`;
export const inMicroseconds = (column: string) => `epoch_us(${column})`;

/** Text on both sides, in the form that `form` gives it. */
export function byText(form: (text: string) => Form): Forms {
  return { ask: asText, ofEngine: (value) => form(String(value)), ofSource: form };
}

const NUMBERS: Forms = {
  ask: asIs,
  ofEngine: (value) => value as number,
  ofSource: (text) => kept(text, Number(text), String),
};
const SINGLES: Forms = {
  ...NUMBERS,
  ofSource: (text) => kept(text, Math.fround(Number(text)), shortestSingle),
};
const INTEGERS: Forms = {
  ask: asIs,
  ofEngine: (value) => whole(value as number | bigint),
  ofSource: exactNumber,
};
/** Bytes, because the binding's texts are without a byte-order mark that they begin with. */
export const TEXTS = {
  ask: (column: string) => `encode(${asText(column)})`,
  ofEngine: (value: EngineValue) => fromUtf8(bytesOf(value)),
};
const MICROSECONDS: Forms = {
  ask: inMicroseconds,
  ofEngine: (value) => safe(value as bigint),
  ofSource: (text) => micros(text, false),
};

/** Of times of day the engine is asked for their number: it ends at texts of those beyond a day. */
export const DAYTIMES = {
  TIME: { digits: 6, ask: inMicroseconds },
  TIME_NS: { digits: 9, ask: (column: string) => `epoch_ns(${column})` },
} as const;

function daytimeForms(type: keyof typeof DAYTIMES): Forms {
  const { digits, ask } = DAYTIMES[type];
  return { ask, ofEngine: (value) => daytime(value as bigint, digits), ofSource: time };
}

/** In the form that `time` gives it. */
function daytime(units: bigint, digits: number): Form {
  const second = 10n ** BigInt(digits);
  if (units < 0n || units > 86_400n * second) return `not a time of day: ${units}`;
  const [seconds, rest] = [Number(units / second), String(units % second)];
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  return time(`${clock.map(two).join(':')}.${rest.padStart(digits, '0')}`);
}

/** The forms of a column of this type; `zone`: of times without offset, where one is known. */
export function formsOf(type: string, zone?: ToInstant): Forms {
  if (type === 'DOUBLE') return NUMBERS;
  if (type === 'FLOAT') return SINGLES;
  if (type === 'BOOLEAN') return byText((text) => text.toLowerCase());
  if (type === 'UUID') return byText((text) => text.toLowerCase().replaceAll('-', ''));
  if (/^U?(?:TINY|SMALL|BIG)INT$|^U?INTEGER$/.test(type)) return INTEGERS;
  if (type.startsWith('DECIMAL')) return byText(exactNumber);
  if (type === 'TIMESTAMP_NS') return byText(time);
  if (type === 'TIMESTAMP WITH TIME ZONE') {
    return { ...MICROSECONDS, ofSource: (text) => micros(text, true, zone) };
  }
  if (type.startsWith('TIMESTAMP')) return MICROSECONDS;
  if (type === 'TIME' || type === 'TIME_NS') return daytimeForms(type);
  if (type === 'DATE') return byText(time);
  return { ...TEXTS, ofSource: (text) => text };
}

/** A number of a text, where `shortest` writes it with the same digits. */
function kept(text: string, number: number, shortest: (number: number) => string): Form {
  if (!NUMBER.test(text)) return number;
  const same = exactNumber(shortest(number)) === exactNumber(text);
  return same && Number.isFinite(number) ? number : `not kept: ${text}`;
}

/** The fewest digits by which a number of 32 bits is told from all others. */
function shortestSingle(number: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const text = number.toPrecision(digits);
    if (Math.fround(Number(text)) === number) return text;
  }
  return number.toPrecision(9);
}

export function safe(value: bigint): Form {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : `${value}e0`;
}

export function whole(value: number | bigint): Form {
  return typeof value === 'number' ? value : safe(value);
}

const SHORT = /^-?\d{1,15}$/;
const NUMBER = /^([+-]?)0*(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
/** So many digits a double tells from any others. */
const TOLD_APART = 15;

/** A number where it is a safe integer or of few digits; else its digits and power of ten. */
export function exactNumber(text: string): Form {
  if (SHORT.test(text)) return Number(text) + 0;
  const match = NUMBER.exec(text);
  if (match === null || !/\d/.test(text)) return `not a number: ${text}`;
  const [, sign = '', whole = '', fraction = '', power = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') return 0;
  const zeros = digits.length - short.length;
  const last = Number(power) - fraction.length + zeros;
  const few = short.length <= TOLD_APART && Math.abs(last) < TOLD_APART;
  if (few && last < 0) return Number(text);
  if (few || (last >= 0 && last + short.length <= 40)) {
    return safe(BigInt(`${sign === '-' ? '-' : ''}${short}${'0'.repeat(last)}`));
  }
  return `${sign === '-' ? '-' : ''}${short}e${last}`;
}

/** Without `T`, with seconds, without zeros at their end; a day alone where it has no hours. */
export function time(text: string): string {
  const match = /^(\d{4,6}-\d\d-\d\d)?[T ]?(?:(\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?)?$/.exec(text);
  const [, day = '', hours = '00:00', seconds = '00', fraction = ''] = match ?? [];
  if (match === null || text.length < 5) return `not a time: ${text}`;
  const clock = `${hours}:${seconds}.${fraction}`.replace(/\.?0*$/, '');
  return day !== '' && clock === '00:00:' ? day : `${day} ${clock}`;
}

const OFFSET = /(Z| ?UTC| ?[+-]\d\d(?::?\d\d)?)?/;
const CLOCK = /(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?/;
const MOMENT = new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)${CLOCK.source}${OFFSET.source}$`);

/** Microseconds since 1970; of an instant where times are `zoned`, or have a zone. */
export function micros(text: string, zoned: boolean, zone?: ToInstant): Form {
  const match = MOMENT.exec(text);
  const offset = match?.[8];
  const fits = zoned ? offset !== undefined || zone !== undefined : offset === undefined;
  if (match === null || !fits) return `not a time: ${text}`;
  const part = (i: number) => Number(match[i] ?? 0);
  const at = new Date(Date.UTC(2000, part(2) - 1, part(3), part(4), part(5), part(6)));
  // Only so are years below 100 what they say; 2000 is a leap year, as they may be.
  at.setUTCFullYear(part(1), part(2) - 1, part(3));
  const fraction = (match[7] ?? '').padEnd(6, '0');
  if (!/^\d{6}0*$/.test(fraction)) return `too fine: ${text}`;
  const local = at.getTime();
  const utc = offset === undefined && zone !== undefined ? zone(local) : local;
  const ms = utc === undefined ? undefined : utc - offsetMinutes(offset ?? 'Z') * 60_000;
  if (ms === undefined) return `not in the zone: ${text}`;
  const number = ms * 1_000 + Number(fraction.slice(0, 6));
  if (Number.isSafeInteger(number)) return number;
  return safe(BigInt(ms) * 1_000n + BigInt(fraction.slice(0, 6)));
}

function offsetMinutes(zone: string): number {
  const [, sign, hours, minutes] = /([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const all = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  return sign === '-' ? -all : all;
}
