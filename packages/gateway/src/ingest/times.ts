// SPDX-License-Identifier: Apache-2.0
// Days and times as texts: whether all of a column are, in ISO 8601 or in a form that the owner
// names, and whether they are written in one way.
import type { DateFormat } from './dialect/date-format.ts';
import type { ToInstant } from './dialect/zones.ts';
import { Fractions } from './fractions.ts';

const DAY = /(\d{4})-(\d{2})-(\d{2})/;
const HOURS = /([T ])(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?/;
const OFFSET = /(Z| ?UTC| ?[+-]\d{2}(?::?\d{2})?)?/;
const DATE = new RegExp(`^${DAY.source}$`);
const TIME = new RegExp(`^${DAY.source}${HOURS.source}${OFFSET.source}$`);
const ZERO_OFFSET = /^(?:Z| ?UTC| ?[+-]00(?::?00)?)$/;
const MICROSECONDS = 6;

/** Why times are not taken as times. */
export type TimeDoubt = 'time-forms' | 'time-digits' | 'zone-gap';

/** Times with an offset, or without: whether all are, and whether they are written in one way. */
export class TimeForms {
  /** Whether every text is such a time. */
  holds = true;
  /** How many have another offset than that of UTC. */
  shifted = 0;
  readonly #offset: boolean;
  readonly #toInstant: ToInstant | undefined;
  /** Separator, whether there are seconds, and the offset, as written. */
  readonly #forms = new Set<string>();
  readonly #fractions = new Fractions();
  #tooFine = 0;
  #outside = 0;

  /** `toInstant`: of the zone of times without offset, where one is known. */
  constructor(offset: boolean, toInstant?: ToInstant) {
    this.#offset = offset;
    this.#toInstant = offset ? undefined : toInstant;
  }

  get type(): string {
    const instant = this.#offset || this.#toInstant !== undefined;
    return instant ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP';
  }

  add(text: string, possible: boolean): void {
    if (!this.holds) return;
    const match = possible ? TIME.exec(text) : null;
    this.holds = match !== null && isTime(match, this.#offset);
    if (!this.holds || match === null) return;
    const [, , , , separator = '', , , second, fraction = '', zone] = match;
    this.#fractions.add(fraction);
    const written = zone?.replace(/\d/g, '0').replace('-', '+');
    this.#forms.add([separator, second === undefined, written].join());
    if (fraction.length > MICROSECONDS) this.#tooFine += 1;
    if (zone !== undefined && !ZERO_OFFSET.test(zone)) this.shifted += 1;
    if (this.#toInstant !== undefined && this.#toInstant(localMillis(match)) === undefined) {
      this.#outside += 1;
    }
  }

  merge(other: TimeForms): void {
    this.holds &&= other.holds && this.type === other.type;
    for (const form of other.#forms) this.#forms.add(form);
    this.#fractions.merge(other.#fractions);
    this.shifted += other.shifted;
    this.#tooFine += other.#tooFine;
    this.#outside += other.#outside;
  }

  doubt(): { readonly doubt: TimeDoubt; readonly rows?: number } | undefined {
    if (this.#tooFine > 0) return { doubt: 'time-digits', rows: this.#tooFine };
    if (this.#outside > 0) return { doubt: 'zone-gap', rows: this.#outside };
    const mixed = this.#forms.size > 1 || this.#fractions.areMixed();
    return mixed ? { doubt: 'time-forms' } : undefined;
  }
}

/** Days or times in one form of the owner's. */
export class FormatForms {
  readonly format: DateFormat;
  readonly #times: TimeForms;
  #padding = 0;
  /** How many texts are such days or times. */
  matched = 0;
  texts = 0;

  constructor(format: DateFormat, toInstant?: ToInstant) {
    this.format = format;
    this.#times = new TimeForms(format.zoned, toInstant);
  }

  get type(): string {
    return this.format.timed ? this.#times.type : 'DATE';
  }

  get shifted(): number {
    return this.#times.shifted;
  }

  get holds(): boolean {
    return this.texts > 0 && this.matched === this.texts;
  }

  add(text: string, possible: boolean): void {
    this.texts += 1;
    const time = possible ? this.format.toIso(text) : undefined;
    if (time === undefined) return;
    const { iso, padding } = time;
    if (this.format.timed) {
      if (!isTimeText(iso, this.format.zoned)) return;
      this.#times.add(iso, true);
    } else if (!isDate(iso)) return;
    this.matched += 1;
    this.#padding |= padding;
  }

  merge(other: FormatForms): void {
    this.#times.merge(other.#times);
    this.#padding |= other.#padding;
    this.matched += other.matched;
    this.texts += other.texts;
  }

  doubt(): { readonly doubt: TimeDoubt; readonly rows?: number } | undefined {
    return this.#padding === 3 ? { doubt: 'time-forms' } : this.#times.doubt();
  }
}

export function isDate(text: string): boolean {
  const match = DATE.exec(text);
  return match !== null && isDay(match);
}

function isTimeText(text: string, offset: boolean): boolean {
  const match = TIME.exec(text);
  return match !== null && isTime(match, offset);
}

function isTime(match: RegExpExecArray, offset: boolean): boolean {
  const [, , , , , hour, minute, second = '0', , zone] = match;
  if (!isDay(match) || (zone !== undefined) !== offset) return false;
  const digits = zone?.replace(/\D/g, '') ?? '';
  const zoneFits = Number(digits.slice(0, 2)) <= 14 && Number(digits.slice(2)) < 60;
  return zoneFits && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60;
}

function isDay(match: RegExpExecArray): boolean {
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}

/** Whole seconds, as ms since 1970, as if in UTC. */
function localMillis(match: RegExpExecArray): number {
  const [, year, month, day, , hour, minute, second] = match.map((part) => Number(part ?? 0));
  const at = new Date(
    Date.UTC(2000, (month ?? 0) - 1, day ?? 0, hour ?? 0, minute ?? 0, second ?? 0),
  );
  // Only so are years below 100 what they say; 2000 is a leap year, as they may be.
  at.setUTCFullYear(year ?? 0, (month ?? 0) - 1, day ?? 0);
  return at.getTime();
}
