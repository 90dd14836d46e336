// SPDX-License-Identifier: Apache-2.0
// What type a column of texts has: the narrowest one under which every value survives a round trip.
// Rules: leading zeros, plus signs and thousands separators mean text (they are codes, or another
// locale); whole numbers past 18 digits stay text, because a double would lose digits; dates and
// times are ISO 8601 only; yes/no and 0/1 are not booleans.

export type InferredType =
  | 'BOOLEAN'
  | 'BIGINT'
  | 'DOUBLE'
  | 'DATE'
  | 'TIMESTAMP'
  | 'TIMESTAMP WITH TIME ZONE'
  | 'VARCHAR';

const INTEGER = /^(?:0|-?[1-9]\d{0,17})$/;
const LONG_INTEGER = /^-?[1-9]\d{15,}$/;
const NUMBER = /^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
const ZERO_LED = /^-?0\d+$/;
const BOOLEAN = /^(?:true|false)$/i;
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?$/;

/** Which sorts of value a cell can be; JSON says, CSV does not. */
export type CellKind = 'any' | 'text' | 'number' | 'boolean' | 'null';

/** Gathers what the values of one column allow; `type()` may be asked at any time. */
export class ColumnTypes {
  #boolean = true;
  #integer = true;
  #number = true;
  #date = true;
  #timestamp = true;
  #zoned = true;
  #longInteger = false;
  #zeroLed = false;
  #texts = 0;
  #empty = 0;
  #nulls = 0;

  add(text: string, kind: CellKind = 'any'): void {
    if (kind === 'null') {
      this.#nulls += 1;
      return;
    }
    if (text === '') {
      this.#empty += 1;
      return;
    }
    this.#texts += 1;
    const any = kind === 'any';
    if (this.#boolean) this.#boolean = (any || kind === 'boolean') && BOOLEAN.test(text);
    if (this.#number) {
      this.#number = (any || kind === 'number') && NUMBER.test(text) && finite(text);
      if (!this.#number && ZERO_LED.test(text)) this.#zeroLed = true;
    }
    if (this.#number && !this.#longInteger) this.#longInteger = LONG_INTEGER.test(text);
    if (this.#integer) this.#integer = this.#number && INTEGER.test(text);
    const dates = any || kind === 'text';
    if (this.#date) this.#date = dates && isDate(text);
    if (this.#timestamp) this.#timestamp = dates && isTime(text, false);
    if (this.#zoned) this.#zoned = dates && isTime(text, true);
  }

  type(): InferredType {
    if (this.#texts === 0) return 'VARCHAR';
    if (this.#boolean) return 'BOOLEAN';
    if (this.#integer) return 'BIGINT';
    if (this.#number && !this.#longInteger) return 'DOUBLE';
    if (this.#date) return 'DATE';
    if (this.#timestamp) return 'TIMESTAMP';
    return this.#zoned ? 'TIMESTAMP WITH TIME ZONE' : 'VARCHAR';
  }

  /** Absent values; in a column that is not text an empty cell is absent too, quoted or not. */
  nulls(): number {
    return this.type() === 'VARCHAR' ? this.#nulls : this.#nulls + this.#empty;
  }

  /** What whoever adds the dataset should look at, or undefined. */
  warning(): string | undefined {
    if (this.#texts === 0) return 'holds no value at all: kept as text';
    if (this.type() !== 'VARCHAR') return undefined;
    if (this.#zeroLed) return 'holds numbers with leading zeros: kept as text';
    if (this.#number) return 'holds whole numbers too long for a number: kept as text';
    return undefined;
  }
}

function finite(text: string): boolean {
  return Number.isFinite(Number(text));
}

function isDate(text: string): boolean {
  const match = DATE.exec(text);
  return match !== null && isDay(match);
}

function isTime(text: string, zoned: boolean): boolean {
  const match = TIME.exec(text);
  if (match === null || !isDay(match) || (match[7] !== undefined) !== zoned) return false;
  const zone = match[7] === undefined || match[7] === 'Z' ? '+00:00' : match[7];
  const zoneFits = Number(zone.slice(1, 3)) <= 14 && Number(zone.slice(4)) < 60;
  return zoneFits && Number(match[4]) < 24 && Number(match[5]) < 60 && Number(match[6] ?? 0) < 60;
}

function isDay(match: RegExpExecArray): boolean {
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}
