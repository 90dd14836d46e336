// SPDX-License-Identifier: Apache-2.0
// A column of a text file, from bytes: what its values allow (infer.ts), and a trace of them by
// which what is made of the file is compared with it later. Where a value is written in the usual
// way no text is made of it: of each shape of value the inference sees the first only.
//
// Invariant: the inference has what it would have if it had seen every text.
import { ColumnTrace, PAIR } from '../compare/column-trace.ts';
import { micros } from '../compare/value-form.ts';
import { type CellKind, type ColumnTypes, SPELLINGS } from '../infer.ts';
import {
  isZeroLed,
  isZoned,
  LONG,
  OTHER,
  readBoolean,
  readDate,
  readNumber,
  readTime,
  readWhole,
} from './cells.ts';
import { readLongNumber } from './long-numbers.ts';
import { hashInto } from './text-hash.ts';

/** Fields of some rows, row by row, as places in `bytes`. */
export interface Batch {
  readonly bytes: Buffer;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** One of `FIELD` each. */
  readonly kinds: Uint8Array;
  readonly width: number;
  readonly rows: number;
  /** Whether somewhere in the bytes a character was lost before (U+FFFD). */
  readonly lossy: boolean;
}

/** How a field came: CSV bare or in quotes; JSON absent, as text, number, true or false. */
export const FIELD = { bare: 0, quoted: 1, absent: 2, text: 3, number: 4, boolean: 5 } as const;
const KINDS: readonly CellKind[] = ['bare', 'any', 'null', 'text', 'number', 'boolean'];

/** Numbers, true and false of JSON are kept by these types; in others they have become texts. */
export const JSON_TYPES: readonly string[] = ['BIGINT', 'DOUBLE', 'BOOLEAN'];

/** What the values of a column have been so far. */
export type Sort = 'nothing' | 'number' | 'date' | 'local' | 'zoned' | 'boolean' | 'text' | 'mixed';

const SPELLING_BYTES = Math.max(...[...SPELLINGS].map((word) => word.length));
const SPELLING_STARTS = new Uint8Array(256);
for (const word of SPELLINGS) SPELLING_STARTS[word.charCodeAt(0)] = 1;
const NUMBER = /^-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?$/;
/** Shapes of numbers below are without zeros that lead after the point. */
const COMMON_SHAPES = 1 << 15;
/** Shapes of numbers of many digits begin here; a shape of its own is that of codes. */
const LONG_SHAPES = 2 ** 32;
const ZERO_LED = -3;
const MOST_ROWS = 65_536;

const values = new Float64Array(MOST_ROWS);
const pairs = new Int32Array(values.buffer);
const kindsOfPairs = new Uint8Array(MOST_ROWS);
/** So many rows a batch has at most. */
export const BATCH_ROWS = MOST_ROWS;

export class QuickColumn {
  readonly types: ColumnTypes;
  readonly trace = new ColumnTrace();
  #sort: Sort = 'nothing';
  #settled = false;
  /** Numbers that no double keeps; texts that may spell absent values; empty texts at first. */
  #beyondDoubles = false;
  #spelledAsText = false;
  #unclear = false;
  /** JSON numbers, true or false. */
  #scalars = false;
  /** Whether -0 is in it, which readers of JSON take for the whole number 0. */
  #minusZero = false;
  #numbers: Uint32Array | undefined;
  readonly #shapes = new Set<number>();

  constructor(types: ColumnTypes) {
    this.types = types;
  }

  /** Takes the fields of column `column`. */
  add(batch: Batch, column: number): void {
    const { starts, ends, kinds, width, rows } = batch;
    for (let row = 0; row < rows; row++) {
      row = this.#run(batch, column, row);
      if (row === rows) break;
      const at = row * width + column;
      const [start, end, kind] = [starts[at] as number, ends[at] as number, kinds[at] as number];
      kindsOfPairs[row] = PAIR.value;
      if (kind === FIELD.number || kind === FIELD.boolean) this.#scalars = true;
      if (kind >= FIELD.text) this.types.say(KINDS[kind] as CellKind);
      if (start === end) this.#addEmpty(batch, row, kind);
      else if (this.#settled && !batch.lossy) this.#addText(batch, row, start, end, kind);
      else if (!this.#addKnown(batch.bytes, row, start, end, kind)) {
        this.#addAny(batch, row, start, end, kind);
      }
    }
    if (this.#sort !== 'mixed') this.trace.addPairs(pairs, kindsOfPairs, rows);
  }

  /** Takes rows from `from` on as long as they are of the usual sort; answers where they end. */
  #run(batch: Batch, column: number, from: number): number {
    const { bytes, starts, ends, kinds, width, rows, lossy } = batch;
    const isText = this.#sort === 'text' && this.#settled && !lossy;
    const isNumber = this.#sort === 'number';
    if (!isText && !isNumber) return from;
    let [row, texts, absent] = [from, 0, 0];
    for (let at = from * width + column; row < rows; row++, at += width) {
      const [start, end, kind] = [starts[at] as number, ends[at] as number, kinds[at] as number];
      if (start === end) {
        if (kind !== FIELD.bare && kind !== FIELD.absent) break;
        kindsOfPairs[row] = PAIR.absent;
        absent++;
        continue;
      }
      if (isText) {
        if (kind === FIELD.bare && maySpell(bytes, start, end)) break;
        if (kind > FIELD.text) break;
        hashInto(pairs, 2 * row, bytes, start, end);
      } else {
        if (kind === FIELD.text || kind === FIELD.boolean) break;
        let shape = readNumber(values, row, bytes, start, end);
        if (shape === LONG) shape = readLongNumber(values, row, bytes, start, end);
        if (shape < 0 || !this.#isKnown(shape)) break;
      }
      kindsOfPairs[row] = PAIR.value;
      texts++;
    }
    this.types.again(texts);
    this.types.addAbsent(absent);
    return row;
  }

  /** Rows that came before the column did. */
  addAbsent(rows: number): void {
    kindsOfPairs.fill(PAIR.absent, 0, Math.min(rows, MOST_ROWS));
    for (let left = rows; left > 0; left -= MOST_ROWS) {
      this.trace.addPairs(pairs, kindsOfPairs, Math.min(left, MOST_ROWS));
    }
  }

  /** After the last value: what only values to come would need is given up. */
  end(): void {
    this.#numbers = undefined;
    this.#shapes.clear();
    this.trace.end();
  }

  /**
   * The trace of `rows` rows, where the values are in it as those of `type` are compared; `absent`:
   * whether some texts were found to spell absent values.
   */
  traceFor(type: string, of: { rows: number; absent: boolean }): ColumnTrace | undefined {
    if (this.trace.rows !== of.rows) return undefined;
    const sorts = SORTS.find(([types]) => types.test(type))?.[1] ?? [];
    const sort = this.#sort === 'nothing' && !this.#unclear ? sorts[0] : this.#sort;
    if (sort === undefined || !sorts.includes(sort)) return undefined;
    if (this.#beyondDoubles && type !== 'BIGINT') return undefined;
    if (sort === 'text' && (this.#unclear || (this.#spelledAsText && of.absent))) return undefined;
    return this.trace;
  }

  /**
   * Whether numbers, true and false are in it beside none of the other, and beside no texts, and
   * all of them are values of `type` as any reader of JSON takes them.
   */
  isOfOneKind(type: string): boolean {
    if (this.#minusZero || (this.#scalars && !JSON_TYPES.includes(type))) return false;
    return this.#sort === 'text' ? !this.#scalars : this.#sort !== 'mixed';
  }

  #addEmpty(batch: Batch, row: number, kind: number): void {
    if (kind === FIELD.bare || kind === FIELD.absent) {
      this.types.add('', 'null');
      kindsOfPairs[row] = PAIR.absent;
      return;
    }
    this.types.add('', 'any');
    if (this.#sort === 'text') hashInto(pairs, 2 * row, batch.bytes, 0, 0);
    else {
      this.#unclear = true;
      kindsOfPairs[row] = PAIR.absent;
    }
  }

  /** A text of a column in which nothing but text is left. */
  #addText(batch: Batch, row: number, start: number, end: number, kind: number): void {
    const { bytes } = batch;
    if (kind === FIELD.bare && maySpell(bytes, start, end)) {
      this.#addAny(batch, row, start, end, kind);
    } else {
      this.types.again();
      if (this.#sort === 'text') hashInto(pairs, 2 * row, bytes, start, end);
      else this.#become('text');
    }
  }

  /** Takes the field if it is of the sort of those before, and of a shape that came before. */
  #addKnown(bytes: Buffer, row: number, start: number, end: number, kind: number): boolean {
    switch (this.#sort) {
      case 'number':
      case 'mixed': {
        if (kind === FIELD.text || kind === FIELD.boolean) return false;
        let shape = readNumber(values, row, bytes, start, end);
        if (shape === LONG) {
          shape = readLongNumber(values, row, bytes, start, end);
          if (shape === OTHER) return this.#addLong(bytes, row, start, end);
        }
        if (shape === OTHER) return this.#sort === 'mixed' && this.#addZeroLed(bytes, start, end);
        if (!this.#isKnown(shape)) return false;
        break;
      }
      case 'date':
        if (readDate(values, row, bytes, start, end) === OTHER) return false;
        break;
      case 'local':
      case 'zoned': {
        const shape = readTime(values, row, bytes, start, end);
        if (shape === OTHER || !this.#shapes.has(shape)) return false;
        break;
      }
      case 'boolean': {
        if (kind === FIELD.text) return false;
        const shape = readBoolean(values, row, bytes, start, end);
        if (shape === OTHER || !this.#shapes.has(shape)) return false;
        break;
      }
      case 'text':
        if (kind === FIELD.text || !this.#addZeroLed(bytes, start, end)) return false;
        hashInto(pairs, 2 * row, bytes, start, end);
        return true;
      default:
        return false;
    }
    this.types.again();
    return true;
  }

  #addZeroLed(bytes: Buffer, start: number, end: number): boolean {
    if (!this.#shapes.has(ZERO_LED) || !isZeroLed(bytes, start, end)) return false;
    this.types.againZeroLed();
    return true;
  }

  #isKnown(shape: number): boolean {
    if (shape >= COMMON_SHAPES) return this.#shapes.has(shape);
    const seen = this.#numbers?.[shape >>> 5] ?? 0;
    return (seen & (1 << (shape & 31))) !== 0;
  }

  #nowKnown(shape: number): void {
    if (shape >= COMMON_SHAPES) this.#shapes.add(shape);
    else {
      this.#numbers ??= new Uint32Array(COMMON_SHAPES >>> 5);
      (this.#numbers[shape >>> 5] as number) |= 1 << (shape & 31);
    }
  }

  /** A number of many digits: one that is its double's shortest form, or whole. */
  #addLong(bytes: Buffer, row: number, start: number, end: number): boolean {
    const text = bytes.toString('latin1', start, end);
    if (!this.#shapes.has(shapeOfLong(text))) return false;
    const number = Number(text);
    const survives = String(number) === text;
    if (text.includes('.')) {
      if (!survives) return false;
    } else if (!Number.isSafeInteger(number)) {
      if (!readWhole(pairs, 2 * row, bytes, start, end)) return false;
      kindsOfPairs[row] = PAIR.whole;
      this.#beyondDoubles = true;
      if (survives) this.types.again();
      else this.types.againLost();
      return true;
    }
    values[row] = number;
    this.types.again();
    return true;
  }

  /** Whatever it is: the inference decides. */
  #addAny(batch: Batch, row: number, start: number, end: number, kind: number): void {
    const { bytes } = batch;
    const text = bytes.toString('utf8', start, end);
    this.types.add(text, KINDS[kind]);
    this.#settled = this.types.isPlainText;
    if (kind === FIELD.bare && SPELLINGS.has(text)) {
      if (this.#sort === 'text') {
        this.#spelledAsText = true;
        hashInto(pairs, 2 * row, bytes, start, end);
      } else {
        this.#unclear = true;
        kindsOfPairs[row] = PAIR.absent;
      }
      return;
    }
    const sort = this.#sortOf(batch, row, { start, end, text, kind });
    if (this.#sort === 'text') hashInto(pairs, 2 * row, bytes, start, end);
    else if (this.#sort === 'nothing') {
      this.#sort = sort;
      if (sort === 'text') hashInto(pairs, 2 * row, bytes, start, end);
    } else this.#become(sort);
  }

  #become(sort: Sort): void {
    if (sort !== this.#sort) this.#sort = 'mixed';
  }

  /** What a field is, by itself; writes its value and keeps its shape. */
  #sortOf(
    batch: Batch,
    row: number,
    at: { start: number; end: number; text: string; kind: number },
  ): Sort {
    const { bytes } = batch;
    const { start, end, text, kind } = at;
    if (kind !== FIELD.text) {
      const number = readNumber(values, row, bytes, start, end);
      if (number >= 0) {
        this.#nowKnown(number);
        return 'number';
      }
      if (kind !== FIELD.boolean && NUMBER.test(text)) {
        return this.#oddNumber(batch, row, start, end, text);
      }
      const truth = readBoolean(values, row, bytes, start, end);
      if (truth !== OTHER) {
        this.#shapes.add(truth);
        return 'boolean';
      }
    }
    if (readDate(values, row, bytes, start, end) !== OTHER) return 'date';
    const time = readTime(values, row, bytes, start, end);
    if (time !== OTHER) {
      this.#shapes.add(time);
      return isZoned(time) ? 'zoned' : 'local';
    }
    for (const zoned of [false, true]) {
      const moment = micros(text, zoned);
      if (typeof moment !== 'number') continue;
      values[row] = moment;
      return zoned ? 'zoned' : 'local';
    }
    return 'text';
  }

  #oddNumber(batch: Batch, row: number, start: number, end: number, text: string): Sort {
    const { bytes } = batch;
    if (isZeroLed(bytes, start, end)) {
      this.#shapes.add(ZERO_LED);
      return 'text';
    }
    const proved = readLongNumber(values, row, bytes, start, end);
    if (proved !== OTHER) this.#nowKnown(proved);
    const number = Number(text);
    if (text === '-0') this.#minusZero = true;
    const whole = /^-?\d+$/.test(text);
    if (whole && !Number.isSafeInteger(number)) {
      if (!readWhole(pairs, 2 * row, bytes, start, end)) return 'mixed';
      kindsOfPairs[row] = PAIR.whole;
      this.#beyondDoubles = true;
    } else {
      values[row] = number;
      // What a double does not keep has to be compared as it is written.
      if (proved === OTHER && String(number) !== text) this.#beyondDoubles = true;
    }
    if (whole || String(number) === text) this.#shapes.add(shapeOfLong(text));
    return 'number';
  }
}

function maySpell(bytes: Buffer, start: number, end: number): boolean {
  return end - start <= SPELLING_BYTES && SPELLING_STARTS[bytes[start] as number] === 1;
}

/** Of a plain number of many digits: how many stand before the point, after it, and as zeros. */
function shapeOfLong(text: string): number {
  const point = text.indexOf('.');
  const whole = point < 0 ? text.length : point;
  let zeros = 0;
  while (text.charCodeAt(whole + 1 + zeros) === 48) zeros++;
  const leads = text.charCodeAt(0) === 45 ? text.charCodeAt(1) : text.charCodeAt(0);
  return LONG_SHAPES + ((whole * 512 + text.length - whole) * 512 + (leads === 48 ? zeros : 0));
}

/** By type, what its values are where the trace holds them as they are compared. */
const SORTS: readonly (readonly [RegExp, readonly Sort[]])[] = [
  // Not those of more digits than a double keeps, or than a whole number of the engine's.
  [/^U?(?:TINY|SMALL)INT$|^U?INTEGER$|^BIGINT$/, ['number']],
  [/^DOUBLE$|^DECIMAL\((?:\d|1[0-5]),/, ['number']],
  [/^DATE$/, ['date']],
  [/^TIMESTAMP$/, ['local']],
  [/^TIMESTAMP WITH TIME ZONE$/, ['zoned']],
  [/^BOOLEAN$/, ['boolean']],
  [/^VARCHAR$/, ['text']],
];
