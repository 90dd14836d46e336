// SPDX-License-Identifier: Apache-2.0
// Days and times written as the owner says (--date-format, in the letters of strftime), as ISO 8601
// texts, which are judged and compared like any others.
import { ingestError } from '../errors.ts';

export interface DateFormat {
  readonly format: string;
  /** Whether it has hours. */
  readonly timed: boolean;
  /** Whether it has an offset. */
  readonly zoned: boolean;
  /** The text in ISO 8601, or undefined where it is not written so; days are not checked. */
  toIso(text: string): IsoTime | undefined;
}

export interface IsoTime {
  readonly iso: string;
  /** Bits: whether days, months or hours below ten have a zero before them (1) or not (2). */
  readonly padding: number;
}

const LETTERS = 'YmdHMSfz';
const WANTED = '%Y %m %d %H %M %S %f %z';
const PATTERN: Readonly<Record<string, string>> = {
  Y: '\\d{4}',
  f: '\\d{1,6}',
  z: 'Z|[+-]\\d\\d(?::?\\d\\d)?',
};

/** @throws CodedError `dialect-malformed` */
export function compileDateFormat(format: string): DateFormat {
  const parts = format.match(/%.?|[^%]+/gsu) ?? [];
  const letters = parts.filter((part) => part.startsWith('%')).map((part) => part.slice(1));
  const has = (letter: string) => letters.includes(letter);
  const unknown = letters.find((letter) => letter === '' || !LETTERS.includes(letter));
  if (unknown !== undefined) throw malformed(format, `%${unknown} is not one of ${WANTED}`);
  if (new Set(letters).size < letters.length) throw malformed(format, 'a part comes twice');
  if (!has('Y') || !has('m') || !has('d')) throw malformed(format, 'wanted %Y, %m and %d in it');
  if (parts.some((part) => /^[^%].*\d/s.test(part) || /^\d/.test(part))) {
    throw malformed(format, 'wanted no digits between its parts');
  }
  const timed = has('H');
  const whole = has('M') === timed && (!has('S') || timed) && (!has('f') || has('S'));
  if (!whole || (has('z') && !timed)) {
    throw malformed(format, 'wanted %H and %M together, %f after %S, %z with hours');
  }
  const sources = parts.map((part, i) => {
    if (!part.startsWith('%')) return part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
    const letter = part.slice(1);
    const before = parts[i - 1]?.startsWith('%') === true;
    const after = parts[i + 1]?.startsWith('%') === true && parts[i + 1] !== '%z';
    // Digits that touch others can be told from them only where there are always two.
    return `(${PATTERN[letter] ?? (before || after ? '\\d\\d' : '\\d\\d?')})`;
  });
  const pattern = new RegExp(`^${sources.join('')}$`, 'u');
  const at = new Map(letters.map((letter, i) => [letter, i + 1]));
  return {
    format,
    timed,
    zoned: has('z'),
    toIso(text) {
      const match = pattern.exec(text);
      if (match === null) return undefined;
      let padding = 0;
      const part = (letter: string): string | undefined => match[at.get(letter) ?? -1];
      const two = (letter: string): string => {
        const digits = part(letter) ?? '';
        if (digits.length === 1) padding |= 2;
        else if (digits.startsWith('0')) padding |= 1;
        return digits.padStart(2, '0');
      };
      const day = `${part('Y')}-${two('m')}-${two('d')}`;
      if (!timed) return { iso: day, padding };
      const seconds = part('S') === undefined ? '' : `:${two('S')}`;
      const fraction = part('f') === undefined ? '' : `.${part('f')}`;
      const clock = `${two('H')}:${two('M')}${seconds}${fraction}`;
      return { iso: `${day} ${clock}${part('z') ?? ''}`, padding };
    },
  };
}

function malformed(format: string, what: string): Error {
  return ingestError('dialect-malformed', `--date-format ${format}: ${what}`);
}
