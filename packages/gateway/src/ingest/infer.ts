// SPDX-License-Identifier: Apache-2.0
// What type a column of texts has: the narrowest one in which no value loses a digit and no two
// values that differ become one. Rules: leading zeros and plus signs mean text (they are codes);
// numbers have the marks of their file and are judged by number-forms.ts; dates and times are ISO
// 8601, or what the owner says, written in one way; yes/no and 0/1 are not booleans.
import { compileDateFormat } from './dialect/date-format.ts';
import { type Dialect, PLAIN } from './dialect/dialect.ts';
import { isMarked } from './dialect/marks.ts';
import { toInstant } from './dialect/zones.ts';
import { type NumberDoubt, NumberForms } from './number-forms.ts';
import type { ColumnRemark, RemarkKind } from './remarks.ts';
import { FormatForms, isDate, type TimeDoubt, TimeForms } from './times.ts';

const ZERO_LED = /^-?0\d+$/;
const BOOLEANS = [/^(?:true|false)$/, /^(?:TRUE|FALSE)$/, /^(?:True|False)$/] as const;
/** Texts like days, which only their owner can tell: 1/2/2024. */
const DAY_LIKE = /^(?:\d{1,2}([./-])\d{1,2}\1\d{4}|\d{4}([./])\d{1,2}\2\d{1,2})(?:[ T]\d.*)?$/;
/** What programs write for a value that is not there. */
export const SPELLINGS: ReadonlySet<string> = new Set([
  'NA',
  'N/A',
  'n/a',
  '#N/A',
  'NULL',
  'Null',
  'null',
  'None',
  '\\N',
]);
/** Nobody writes it for anything else. */
export const SURE_SPELLING = '\\N';

/**
 * Which sorts of value a cell can be; JSON says, CSV does not: `bare` is a field without quotes,
 * which alone can spell an absent value.
 */
export type CellKind = 'any' | 'bare' | 'text' | 'number' | 'boolean' | 'null';

const SAID: Partial<Record<CellKind, number>> = { text: 1, number: 2, boolean: 4 };

/** Something that whoever adds the dataset should look at. */
export interface Remark extends Pick<ColumnRemark, 'kind'> {
  readonly says: string;
  /** Whether something would be cut or kept as text: what --strict refuses. */
  readonly inexact: boolean;
}

type Doubt =
  | NumberDoubt
  | TimeDoubt
  | 'zero-led'
  | 'marks'
  | 'day-like'
  | 'spelled'
  | 'two-formats'
  | 'not-all-days'
  | 'mixed-kinds';

const SAYS: Readonly<Record<Doubt, string>> = {
  'zero-led': 'holds numbers with leading zeros',
  codes: 'holds texts like 1E10, which may be codes',
  'two-forms': 'holds numbers written in more than one way, like 1.5 and 1.50',
  'too-long': 'holds numbers that no type keeps digit by digit',
  'time-forms': 'holds times written in more than one way',
  'time-digits': 'holds times with more than six digits of a second',
  'zone-gap': 'holds times that the zone has twice or not at all',
  marks: 'may hold numbers with marks that are not known (--decimal, --thousands)',
  'day-like': 'may hold days (--date-format)',
  spelled: 'holds other values beside spellings of absent ones (--null)',
  'two-formats': 'holds days that can be read by two of the forms (--date-format)',
  'not-all-days': 'holds days of --date-format beside other texts',
  'mixed-kinds': 'holds numbers, true or false beside texts, or beside each other',
};

const KINDS: Readonly<Record<Doubt, RemarkKind>> = {
  'zero-led': 'leading-zeros',
  codes: 'codes',
  'two-forms': 'two-forms',
  'too-long': 'too-long',
  'time-forms': 'time-forms',
  'time-digits': 'time-digits',
  'zone-gap': 'zone-gap',
  marks: 'unknown-marks',
  'day-like': 'day-like',
  spelled: 'absent-spelled',
  'two-formats': 'two-formats',
  'not-all-days': 'not-all-days',
  'mixed-kinds': 'mixed-kinds',
};

interface Judged {
  readonly type: string;
  readonly doubt?: Doubt;
  /** How many values the doubt is about, where it is not all. */
  readonly rows?: number;
}

/** Gathers what the values of one column allow; `type()` may be asked at any time. */
export class ColumnTypes {
  readonly #booleans = [true, true, true];
  #number = true;
  readonly #numbers: NumberForms;
  #date = true;
  readonly #local: TimeForms;
  readonly #zoned = new TimeForms(true);
  readonly #formats: Map<string, FormatForms>;
  /** Whether all are numbers, but for leading zeros; how many have these. */
  #zeroLedOrNumber = true;
  #zeroLed = 0;
  #marked = true;
  #dayLike = true;
  /** By spelling, cells that may be absent values; they are no values until that is known. */
  readonly #spelled = new Map<string, number>();
  /** Kinds that JSON says, as bits. */
  #said = 0;
  #lostBefore = 0;
  #texts = 0;
  #empty = 0;
  #nulls = 0;

  constructor(dialect: Dialect = PLAIN) {
    const { zone, dateFormat } = dialect;
    const instant = zone === null ? undefined : toInstant(zone);
    this.#numbers = new NumberForms(dialect);
    this.#local = new TimeForms(false, instant);
    this.#formats = new Map(
      dateFormat.map((one) => [one, new FormatForms(compileDateFormat(one), instant)]),
    );
  }

  add(text: string, kind: CellKind = 'any'): void {
    if (kind === 'null') {
      this.#nulls += 1;
      return;
    }
    if (text === '') {
      this.#empty += 1;
      return;
    }
    if (kind === 'bare' && SPELLINGS.has(text)) {
      this.#spelled.set(text, (this.#spelled.get(text) ?? 0) + 1);
      return;
    }
    this.#texts += 1;
    this.say(kind);
    if (text.includes('\ufffd')) this.#lostBefore += 1;
    const any = kind === 'any' || kind === 'bare';
    for (const [i, pattern] of BOOLEANS.entries()) {
      if (this.#booleans[i]) this.#booleans[i] = (any || kind === 'boolean') && pattern.test(text);
    }
    const mayBe = this.#zeroLedOrNumber && (any || kind === 'number');
    if (!mayBe || !this.#numbers.add(text, kind === 'number')) this.#notNumber(text, any);
    if (this.#dayLike) this.#dayLike = any && DAY_LIKE.test(text);
    const dates = any || kind === 'text';
    if (this.#date) this.#date = dates && isDate(text);
    this.#local.add(text, dates);
    this.#zoned.add(text, dates);
    for (const one of this.#formats.values()) one.add(text, dates);
  }

  /**
   * Takes a text of which `add` would learn no more than of one before it: a plain number, a day,
   * a time or a spelling of true of the same shape, or any text once `isPlainText`.
   */
  again(texts = 1): void {
    this.#texts += texts;
  }

  /** That a value is of this kind: what `add` does, and `again` does not. */
  say(kind: CellKind): void {
    this.#said |= SAID[kind] ?? 0;
  }

  /** Values that are not there. */
  addAbsent(rows: number): void {
    this.#nulls += rows;
  }

  /** As `again`: a number of the kind that zeros lead. */
  againZeroLed(): void {
    this.#texts += 1;
    this.#zeroLed += 1;
  }

  /** As `again`: a number that a double does not keep. */
  againLost(): void {
    this.#texts += 1;
    if (this.#zeroLedOrNumber) this.#numbers.loseAgain();
  }

  /** Whether nothing is left that a text could be but text. */
  get isPlainText(): boolean {
    return !(
      this.#zeroLedOrNumber ||
      this.#marked ||
      this.#dayLike ||
      this.#date ||
      this.#local.holds ||
      this.#zoned.holds ||
      this.#booleans.includes(true) ||
      this.#formats.size > 0
    );
  }

  #notNumber(text: string, any: boolean): void {
    this.#number = false;
    const zeroLed = any && ZERO_LED.test(text);
    if (zeroLed) this.#zeroLed += 1;
    this.#zeroLedOrNumber &&= zeroLed;
    this.#marked &&= any && isMarked(text);
  }

  /** What the same column holds in another file of the dataset, too. */
  merge(other: ColumnTypes): void {
    for (const i of this.#booleans.keys()) this.#booleans[i] &&= other.#booleans[i] === true;
    this.#number &&= other.#number;
    this.#numbers.merge(other.#numbers);
    this.#date &&= other.#date;
    this.#local.merge(other.#local);
    this.#zoned.merge(other.#zoned);
    this.#mergeFormats(other);
    this.#zeroLedOrNumber &&= other.#zeroLedOrNumber;
    this.#zeroLed += other.#zeroLed;
    this.#marked &&= other.#marked;
    this.#dayLike &&= other.#dayLike;
    for (const [text, count] of other.#spelled) {
      this.#spelled.set(text, (this.#spelled.get(text) ?? 0) + count);
    }
    this.#said |= other.#said;
    this.#lostBefore += other.#lostBefore;
    this.#texts += other.#texts;
    this.#empty += other.#empty;
    this.#nulls += other.#nulls;
  }

  #mergeFormats(other: ColumnTypes): void {
    for (const [format, forms] of other.#formats) {
      const own = this.#formats.get(format);
      if (own !== undefined) own.merge(forms);
      else {
        // Where one file has another form than the other, none is the column's.
        const copy = new FormatForms(forms.format);
        copy.merge(forms);
        copy.texts += this.#texts;
        this.#formats.set(format, copy);
      }
    }
    for (const [format, forms] of this.#formats) {
      if (!other.#formats.has(format)) forms.texts += other.#texts;
    }
  }

  type(): string {
    return this.#judged().type;
  }

  /** Absent values; in a column that is not text an empty cell is absent too, quoted or not. */
  nulls(): number {
    return this.type() === 'VARCHAR' ? this.#nulls : this.#nulls + this.#empty;
  }

  /** The form of --date-format that the values have, or most of them; or undefined. */
  dateFormat(): string | undefined {
    const [first] = [...this.#formats].sort(([, a], [, b]) => b.matched - a.matched);
    return first !== undefined && first[1].matched > 0 ? first[0] : undefined;
  }

  /** What may spell absent values here. */
  spellings(): string[] {
    return [...this.#spelled.keys()];
  }

  /** What the column holds beside what may spell absent values. */
  besideSpellings(): 'texts' | 'others' | 'nothing' {
    if (this.#texts === 0) return 'nothing';
    return this.#judgedTexts().type === 'VARCHAR' ? 'texts' : 'others';
  }

  /** Takes a spelling as that of absent values. */
  takeAsAbsent(spelling: string): void {
    this.#nulls += this.#spelled.get(spelling) ?? 0;
    this.#spelled.delete(spelling);
  }

  /** What whoever adds the dataset should look at. */
  remarks(): Remark[] {
    const { type, doubt, rows } = this.#judged();
    const remarks: Remark[] = [];
    if (this.#texts === 0) remarks.push(this.#nothing());
    if (this.#lostBefore > 0) {
      const where = `in ${counted(this.#lostBefore)}`;
      const says = `holds characters that were lost before (U+FFFD) ${where}`;
      remarks.push({ kind: 'lost-characters', says, inexact: false });
    }
    if (doubt !== undefined) {
      const what = doubt === 'spelled' ? this.#spelledSays() : SAYS[doubt];
      const where = `in ${counted(rows ?? this.#texts)}`;
      const says = `${what}, ${where}: kept as text, unless another type is chosen (--type)`;
      remarks.push({ kind: KINDS[doubt], says, inexact: true });
    }
    if (type === 'TIMESTAMP WITH TIME ZONE') remarks.push(this.#instants());
    if (type !== 'VARCHAR' && this.#empty > 0) {
      const says = `has ${this.#empty} empty texts, which count as absent`;
      remarks.push({ kind: 'empty-texts', says, inexact: this.#nulls > 0 });
    }
    return remarks;
  }

  /** The sentences of `remarks`. */
  warnings(): string[] {
    return this.remarks().map(({ says }) => says);
  }

  #nothing(): Remark {
    if (this.#spelled.size === 0) {
      const says = 'holds no value at all: kept as text';
      return { kind: 'no-value', says, inexact: false };
    }
    const says = `holds nothing but ${this.#spellingsAsked()}, in ${counted(this.#spellings())}`;
    return { kind: 'only-spellings', says: `${says}: kept as text`, inexact: true };
  }

  #spelledSays(): string {
    return `holds ${this.#judgedTexts().type} beside ${this.#spellingsAsked()}`;
  }

  #spellingsAsked(): string {
    const [first = ''] = this.#spelled.keys();
    return `${this.spellings().join(', ')} (absent? --null ${first} says so)`;
  }

  #spellings(): number {
    return [...this.#spelled.values()].reduce((sum, count) => sum + count, 0);
  }

  #instants(): Remark {
    const shifted = this.#holding()[0]?.shifted ?? this.#zoned.shifted;
    const other = shifted > 0 ? `, in ${counted(shifted)} not that of UTC` : '';
    const local = this.#local.holds || this.#holding()[0]?.format.zoned === false;
    const what = local ? 'holds times of the zone that was named' : 'holds times with an offset';
    const says = `${what}${other}: kept as instants, shown in UTC`;
    return { kind: 'instants', says, inexact: shifted > 0 };
  }

  #holding(): FormatForms[] {
    return [...this.#formats.values()].filter(({ holds }) => holds);
  }

  #judged(): Judged {
    const judged = this.#judgedTexts();
    const spelled = this.#spellings();
    if (spelled === 0 || judged.type === 'VARCHAR') return judged;
    return { type: 'VARCHAR', doubt: 'spelled', rows: spelled };
  }

  #judgedTexts(): Judged {
    const judged = this.#judgedAlike();
    // As texts 1 and "1" are one; where they are kept for another reason that is said.
    const isMixed = (this.#said & (this.#said - 1)) !== 0;
    if (!isMixed || judged.type !== 'VARCHAR' || judged.doubt !== undefined) return judged;
    return { type: 'VARCHAR', doubt: 'mixed-kinds' };
  }

  #judgedAlike(): Judged {
    if (this.#texts === 0) return { type: 'VARCHAR' };
    const [format, second] = this.#holding();
    if (format !== undefined) {
      if (second !== undefined) return { type: 'VARCHAR', doubt: 'two-formats' };
      return unlessDoubted(format.type, format.doubt());
    }
    if (this.#booleans.includes(true)) return { type: 'BOOLEAN' };
    if (this.#number) {
      const judged = this.#numbers.type();
      return 'type' in judged ? judged : { type: 'VARCHAR', ...judged };
    }
    if (this.#zeroLedOrNumber) return { type: 'VARCHAR', doubt: 'zero-led', rows: this.#zeroLed };
    if (this.#date) return { type: 'DATE' };
    for (const times of [this.#local, this.#zoned]) {
      if (times.holds) return unlessDoubted(times.type, times.doubt());
    }
    const some = Math.max(0, ...[...this.#formats.values()].map(({ matched }) => matched));
    if (some > 0) return { type: 'VARCHAR', doubt: 'not-all-days', rows: this.#texts - some };
    if (this.#dayLike) return { type: 'VARCHAR', doubt: 'day-like' };
    return this.#marked ? { type: 'VARCHAR', doubt: 'marks' } : { type: 'VARCHAR' };
  }
}

function unlessDoubted(type: string, doubt: Omit<Judged, 'type'> | undefined): Judged {
  return doubt === undefined ? { type } : { type: 'VARCHAR', ...doubt };
}

function counted(rows: number): string {
  return rows === 1 ? '1 row' : `${rows} rows`;
}
