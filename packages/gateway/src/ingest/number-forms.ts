// SPDX-License-Identifier: Apache-2.0
// Whether texts may become numbers: no digit is lost, and no two texts that differ are one value.
// The second is judged by form: a program writes each number in one way, so where a column holds
// two ways of writing (1.5 and 1.50, 1E10 and 10E9) its texts may be codes, and stay.
import { PLAIN } from './dialect/dialect.ts';
import { type Marks, type ToPlain, toPlain } from './dialect/marks.ts';
import { Fractions } from './fractions.ts';

const NUMBER = /^-?(?:(0|[1-9]\d*)(?:\.(\d+))?|\.(\d+))(?:([eE])([+-]?)(\d{1,6}))?$/;
/** A double keeps any so many digits, and never more than 17. */
const SURE_DIGITS = 15;
const SURE_EXPONENT = 290;
const BIGINT_DIGITS = 18;
const DECIMAL_DIGITS = 38;

/** Ways of writing that exclude one another, as bits. */
const LEADING = { bare: 1, zero: 2 } as const;
const EXPONENT = { upper: 1, lower: 2, plus: 4, plain: 8, padded: 16, single: 32 } as const;
const PAIRS = [1 | 2, 4 | 8, 16 | 32] as const;
const GROUPING = { marked: 1, unmarked: 2 } as const;

/** Why numbers are not taken as numbers. */
export type NumberDoubt = 'codes' | 'two-forms' | 'too-long';

/** Gathers what the numbers of one column have in common. */
export class NumberForms {
  readonly #toPlain: ToPlain | undefined;
  /** Texts like 1E10, and numbers that a double does not keep. */
  #codes = 0;
  #lost = 0;
  #grouping = 0;
  /** Whether some came as text, where the way of writing may mean something. */
  #asText = false;
  #whole = true;
  #negativeZero = false;
  #integerDigits = 0;
  readonly #plain = new Fractions();
  readonly #scientific = new Fractions();
  #leading = 0;
  #exponent = 0;
  /** Powers of ten of the plain numbers, and of those with an exponent; zero has none. */
  readonly #plainPowers = { least: Infinity, most: -Infinity };
  readonly #sciPowers = { belowOne: -Infinity, aboveOne: Infinity };
  #misformed = false;

  constructor(marks: Marks = PLAIN) {
    this.#toPlain = toPlain(marks);
  }

  /** Takes one text; answers whether it is a number. `known`: its format says that it is one. */
  add(written: string, known: boolean): boolean {
    const plain = this.#toPlain?.(written);
    const text = this.#toPlain === undefined ? written : (plain?.plain ?? '');
    const match = NUMBER.exec(text);
    if (match === null) return false;
    const grouped = plain?.grouped;
    if (grouped !== undefined) this.#grouping |= grouped ? GROUPING.marked : GROUPING.unmarked;
    if (!known) this.#asText = true;
    const [, integer = '', after, bare, letter, sign, power] = match;
    const fraction = after ?? bare ?? '';
    const digits = `${integer}${fraction}`.replace(/^0+/, '');
    if (digits === '' && text.startsWith('-')) this.#negativeZero = true;
    if (bare !== undefined) this.#leading |= LEADING.bare;
    else if (integer === '0' && fraction !== '') this.#leading |= LEADING.zero;
    if (letter === undefined) {
      this.#addPlain(integer, fraction, digits);
    } else {
      // No program writes a number so: 1E10 is more likely a code.
      if (fraction === '' && sign === '') this.#codes += 1;
      this.#addScientific(letter, integer, fraction, digits);
      this.#addPower(sign ?? '', power ?? '', digits);
    }
    if (!survives(text, digits, fraction, Number(power ?? 0))) this.#lost += 1;
    return true;
  }

  /** Another number that a double does not keep, of the form of one before it. */
  loseAgain(): void {
    this.#lost += 1;
  }

  #addPlain(integer: string, fraction: string, digits: string): void {
    this.#plain.add(fraction);
    if (fraction !== '') this.#whole = false;
    this.#integerDigits = Math.max(this.#integerDigits, integer === '0' ? 0 : integer.length);
    if (digits === '') return;
    const power = digits.length - fraction.length - 1;
    this.#plainPowers.least = Math.min(this.#plainPowers.least, power);
    this.#plainPowers.most = Math.max(this.#plainPowers.most, power);
  }

  #addScientific(letter: string, integer: string, fraction: string, digits: string): void {
    this.#scientific.add(fraction);
    this.#whole = false;
    // One digit before the point, which is not zero: 1.0e5 and 10.0e4 would be one value.
    if (digits !== '' && !/^[1-9]$/.test(integer)) this.#misformed = true;
    this.#exponent |= letter === 'E' ? EXPONENT.upper : EXPONENT.lower;
  }

  #addPower(sign: string, power: string, digits: string): void {
    if (sign !== '-') this.#exponent |= sign === '+' ? EXPONENT.plus : EXPONENT.plain;
    if (power.startsWith('0')) this.#exponent |= EXPONENT.padded;
    else if (power.length === 1) this.#exponent |= EXPONENT.single;
    if (digits === '') return;
    const value = Number(`${sign}${power}`);
    const powers = this.#sciPowers;
    if (value < 0) powers.belowOne = Math.max(powers.belowOne, value);
    else powers.aboveOne = Math.min(powers.aboveOne, value);
  }

  /** What the other column saw, too: two files of one dataset. */
  merge(other: NumberForms): void {
    this.#asText ||= other.#asText;
    this.#whole &&= other.#whole;
    this.#lost += other.#lost;
    this.#grouping |= other.#grouping;
    this.#negativeZero ||= other.#negativeZero;
    this.#codes += other.#codes;
    this.#misformed ||= other.#misformed;
    this.#integerDigits = Math.max(this.#integerDigits, other.#integerDigits);
    this.#plain.merge(other.#plain);
    this.#scientific.merge(other.#scientific);
    this.#leading |= other.#leading;
    this.#exponent |= other.#exponent;
    const [plain, sci] = [this.#plainPowers, this.#sciPowers];
    plain.least = Math.min(plain.least, other.#plainPowers.least);
    plain.most = Math.max(plain.most, other.#plainPowers.most);
    sci.belowOne = Math.max(sci.belowOne, other.#sciPowers.belowOne);
    sci.aboveOne = Math.min(sci.aboveOne, other.#sciPowers.aboveOne);
  }

  /**
   * The type in which every text stays what it is, or why there is none; then also how many texts
   * are why, where that is not all of them.
   */
  type(): { readonly type: string } | { readonly doubt: NumberDoubt; readonly rows?: number } {
    if (this.#asText && this.#codes > 0) return { doubt: 'codes', rows: this.#codes };
    if (this.#asText && !this.#isOneForm()) return { doubt: 'two-forms' };
    const scale = this.#plain.most;
    const digits = this.#integerDigits + scale;
    // Neither an exponent nor the sign of zero has a place in a decimal.
    const exact = this.#exponent === 0 && !this.#negativeZero && digits <= DECIMAL_DIGITS;
    if (exact && this.#whole && digits <= BIGINT_DIGITS) return { type: 'BIGINT' };
    if (this.#lost === 0 && !(exact && this.#whole)) return { type: 'DOUBLE' };
    if (exact) return { type: decimal(digits, scale) };
    return { doubt: 'too-long', ...(this.#lost > 0 ? { rows: this.#lost } : {}) };
  }

  #isOneForm(): boolean {
    const [plain, sci] = [this.#plainPowers, this.#sciPowers];
    const apart = sci.belowOne < plain.least && sci.aboveOne > plain.most;
    return (
      !this.#misformed &&
      apart &&
      this.#grouping !== (GROUPING.marked | GROUPING.unmarked) &&
      this.#leading !== (LEADING.bare | LEADING.zero) &&
      !PAIRS.some((pair) => (this.#exponent & pair) === pair) &&
      !this.#plain.areMixed() &&
      !this.#scientific.areMixed()
    );
  }
}

function decimal(digits: number, scale: number): string {
  return `DECIMAL(${Math.max(digits, 1)},${scale})`;
}

/** Whether the double that is nearest to the text is, written shortest, the same number. */
function survives(text: string, digits: string, fraction: string, power: number): boolean {
  const far = Math.abs(power) + fraction.length >= SURE_EXPONENT;
  if (digits.length <= SURE_DIGITS && !far) return true;
  const number = Number(text);
  return Number.isFinite(number) && normal(text) === normal(String(number));
}

/** Digits without zeros at either end, and the power of ten of the last of them. */
function normal(text: string): string {
  const [, integer = '', after, bare, , sign = '', power = '0'] = NUMBER.exec(text) ?? [];
  const fraction = after ?? bare ?? '';
  const digits = `${integer}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  const last = Number(`${sign}${power}`) - fraction.length + digits.length - short.length;
  return short === '' ? '0' : `${text.startsWith('-') ? '-' : ''}${short}e${last}`;
}
