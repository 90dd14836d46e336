// SPDX-License-Identifier: Apache-2.0
// What type a column of texts has: the narrowest one in which no value loses a digit and no two
// values that differ become one. Rules: leading zeros, plus signs and thousands separators mean
// text (they are codes, or another locale); numbers are judged by number-forms.ts; dates and times
// are ISO 8601, written in one way; yes/no and 0/1 are not booleans.
import { Fractions } from './fractions.ts';
import { NumberForms } from './number-forms.ts';

const ZERO_LED = /^-?0\d+$/;
const BOOLEANS = [/^(?:true|false)$/, /^(?:TRUE|FALSE)$/, /^(?:True|False)$/] as const;
const DAY = /(\d{4})-(\d{2})-(\d{2})/;
const HOURS = /([T ])(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?/;
const OFFSET = /(Z|[+-]\d{2}(?::?\d{2})?)?/;
const DATE = new RegExp(`^${DAY.source}$`);
const TIME = new RegExp(`^${DAY.source}${HOURS.source}${OFFSET.source}$`);
const MICROSECONDS = 6;

/** Which sorts of value a cell can be; JSON says, CSV does not. */
export type CellKind = 'any' | 'text' | 'number' | 'boolean' | 'null';

type Doubt = 'zero-led' | 'codes' | 'two-forms' | 'too-long' | 'time-forms' | 'time-digits';

const SAYS: Readonly<Record<Doubt, string>> = {
  'zero-led': 'holds numbers with leading zeros',
  codes: 'holds texts like 1E10, which may be codes',
  'two-forms': 'holds numbers written in more than one way, like 1.5 and 1.50',
  'too-long': 'holds numbers that no type keeps digit by digit',
  'time-forms': 'holds times written in more than one way',
  'time-digits': 'holds times with more than six digits of a second',
};

/** Gathers what the values of one column allow; `type()` may be asked at any time. */
export class ColumnTypes {
  readonly #booleans = [true, true, true];
  #number = true;
  readonly #numbers = new NumberForms();
  #date = true;
  readonly #local = new TimeForms(false);
  readonly #zoned = new TimeForms(true);
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
    for (const [i, pattern] of BOOLEANS.entries()) {
      if (this.#booleans[i]) this.#booleans[i] = (any || kind === 'boolean') && pattern.test(text);
    }
    if (this.#number) {
      this.#number = (any || kind === 'number') && this.#numbers.add(text, kind === 'number');
      if (!this.#number && ZERO_LED.test(text)) this.#zeroLed = true;
    }
    const dates = any || kind === 'text';
    if (this.#date) this.#date = dates && isDate(text);
    this.#local.add(text, dates);
    this.#zoned.add(text, dates);
  }

  /** What the same column holds in another file of the dataset, too. */
  merge(other: ColumnTypes): void {
    for (const i of this.#booleans.keys()) this.#booleans[i] &&= other.#booleans[i] === true;
    this.#number &&= other.#number;
    this.#numbers.merge(other.#numbers);
    this.#date &&= other.#date;
    this.#local.merge(other.#local);
    this.#zoned.merge(other.#zoned);
    this.#zeroLed ||= other.#zeroLed;
    this.#texts += other.#texts;
    this.#empty += other.#empty;
    this.#nulls += other.#nulls;
  }

  type(): string {
    return this.#judged().type;
  }

  /** Absent values; in a column that is not text an empty cell is absent too, quoted or not. */
  nulls(): number {
    return this.type() === 'VARCHAR' ? this.#nulls : this.#nulls + this.#empty;
  }

  /** What whoever adds the dataset should look at. */
  warnings(): string[] {
    if (this.#texts === 0) return ['holds no value at all: kept as text'];
    const { type, doubt } = this.#judged();
    if (doubt !== undefined) {
      return [`${SAYS[doubt]}: kept as text, unless another type is chosen (--type)`];
    }
    const warnings: string[] = [];
    if (type === 'TIMESTAMP WITH TIME ZONE') {
      warnings.push('holds times with an offset: kept as instants, shown in UTC');
    }
    if (type !== 'VARCHAR' && this.#empty > 0) {
      warnings.push(`has ${this.#empty} empty texts, which count as absent`);
    }
    return warnings;
  }

  #judged(): { readonly type: string; readonly doubt?: Doubt } {
    const text = (doubt?: Doubt) => ({
      type: 'VARCHAR',
      ...(doubt === undefined ? {} : { doubt }),
    });
    if (this.#texts === 0) return text();
    if (this.#booleans.includes(true)) return { type: 'BOOLEAN' };
    if (this.#number) {
      const judged = this.#numbers.type();
      return 'type' in judged ? judged : text(judged.doubt);
    }
    if (this.#zeroLed) return text('zero-led');
    if (this.#date) return { type: 'DATE' };
    for (const times of [this.#local, this.#zoned]) {
      if (!times.holds) continue;
      const doubt = times.doubt();
      return doubt === undefined ? { type: times.type } : text(doubt);
    }
    return text();
  }
}

/** Times with an offset, or without: whether all are, and whether they are written in one way. */
class TimeForms {
  /** Whether every text is such a time. */
  holds = true;
  readonly type: string;
  readonly #zoned: boolean;
  /** Separator, whether there are seconds, and the offset, as written. */
  readonly #forms = new Set<string>();
  readonly #fractions = new Fractions();

  constructor(zoned: boolean) {
    this.#zoned = zoned;
    this.type = zoned ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP';
  }

  add(text: string, possible: boolean): void {
    if (!this.holds) return;
    const match = possible ? TIME.exec(text) : null;
    this.holds = match !== null && isTime(match, this.#zoned);
    if (!this.holds || match === null) return;
    const [, , , , separator = '', , , second, fraction = '', zone] = match;
    this.#fractions.add(fraction);
    this.#forms.add([separator, second === undefined, zone === 'Z' || zone?.length].join());
  }

  merge(other: TimeForms): void {
    this.holds &&= other.holds;
    for (const form of other.#forms) this.#forms.add(form);
    this.#fractions.merge(other.#fractions);
  }

  doubt(): Doubt | undefined {
    if (this.#fractions.most > MICROSECONDS) return 'time-digits';
    return this.#forms.size > 1 || this.#fractions.areMixed() ? 'time-forms' : undefined;
  }
}

function isDate(text: string): boolean {
  const match = DATE.exec(text);
  return match !== null && isDay(match);
}

function isTime(match: RegExpExecArray, zoned: boolean): boolean {
  const [, , , , , hour, minute, second = '0', , zone] = match;
  if (!isDay(match) || (zone !== undefined) !== zoned) return false;
  const offset = zone === undefined || zone === 'Z' ? '+0000' : zone.replace(':', '');
  const zoneFits = Number(offset.slice(1, 3)) <= 14 && Number(offset.slice(3)) < 60;
  return zoneFits && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60;
}

function isDay(match: RegExpExecArray): boolean {
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}
