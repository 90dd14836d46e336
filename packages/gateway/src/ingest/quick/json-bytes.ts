// SPDX-License-Identifier: Apache-2.0
// Lines of JSON as places in their bytes: the grammar of json-lines.ts for flat objects. What does
// not keep to it is left to that scanner, which says what is wrong and where.
//
// Invariants: only whole lines are taken; `end` is how far they go; a batch has the columns that
// were known when its first line was taken.
import { ByteRows, type Stop } from './byte-rows.ts';
import { FIELD } from './quick-column.ts';

const LF = 10;
const QUOTE = 34;
const ESCAPE = 92;
const COMMA = 44;
const COLON = 58;
const OPENING = 123;
const CLOSING = 125;
const NONE = -1;

/** What ends the plain part of a text: a quote, an escape, a control character. */
const TEXT_MARKS = new Uint8Array(256);
TEXT_MARKS.fill(1, 0, 32);
TEXT_MARKS[QUOTE] = 1;
TEXT_MARKS[ESCAPE] = 1;

/** Letters after an escape, and what they stand for. */
const ESCAPES = new Uint8Array(256);
for (const [i, letter] of [...'"\\/bfnrt'].entries()) {
  ESCAPES[letter.charCodeAt(0)] = '"\\/\b\f\n\r\t'.charCodeAt(i);
}
const LETTER_U = 117;
ESCAPES[LETTER_U] = LETTER_U;
const SPACE = 32;
const WORDS = [
  { word: Buffer.from('true'), kind: FIELD.boolean },
  { word: Buffer.from('false'), kind: FIELD.boolean },
  { word: Buffer.from('null'), kind: FIELD.absent },
];

export class JsonBytes extends ByteRows {
  /** Keys as they are written, by column. */
  readonly #keys: Buffer[] = [];
  readonly #positions = new Map<string, number>();
  /** By column, the number of the line that had it last. */
  #seen = new Float64Array(64);
  #line = 0;
  #fresh: string[] = [];
  /** Fields of the line that hold escapes. */
  readonly #escaped: number[] = [];

  get width(): number {
    return this.#keys.length;
  }

  takeNames(): readonly string[] {
    const names = this.#fresh;
    this.#fresh = [];
    for (const name of names) {
      this.#positions.set(name, this.#keys.length);
      this.#keys.push(Buffer.from(name));
    }
    if (this.#seen.length < this.#keys.length) {
      const seen = new Float64Array(2 * this.#keys.length);
      seen.set(this.#seen);
      this.#seen = seen;
    }
    return names;
  }

  take(bytes: Buffer, from: number, to: number, last: boolean): Stop {
    bytes[to] = LF;
    this.end = from;
    this.rows = 0;
    const most = this.mostRows();
    for (let at = from; this.rows < most; at = this.end) {
      if (at >= to) return 'empty';
      const end = bytes.indexOf(LF, at);
      if (end >= to && !last) return 'empty';
      this.#escaped.length = 0;
      this.#line++;
      const taken = this.#takeLine(bytes, at, end);
      if (taken === 'unusual') return 'unusual';
      if (this.#fresh.length > 0) return 'full';
      if (!this.#escaped.every((field) => this.#unescape(bytes, field))) return 'unusual';
      if (taken === 'row') this.rows++;
      this.end = Math.min(end + 1, to);
    }
    return 'full';
  }

  /** Where columns are met that are not known, only their names are taken. */
  #takeLine(bytes: Buffer, from: number, end: number): 'row' | 'blank' | 'unusual' {
    let at = skip(bytes, from);
    if (isEnd(bytes, at, end)) return 'blank';
    if (bytes[at] !== OPENING) return 'unusual';
    const width = this.#keys.length;
    const base = this.rows * width;
    for (let i = base; i < base + width; i++) {
      this.starts[i] = this.ends[i] = 0;
      this.kinds[i] = FIELD.absent;
    }
    at = skip(bytes, at + 1);
    if (bytes[at] === CLOSING) return isEnd(bytes, skip(bytes, at + 1), end) ? 'row' : 'unusual';
    for (let expected = 0; ; expected++) {
      if (bytes[at] !== QUOTE) return 'unusual';
      const start = at + 1;
      for (at = start; TEXT_MARKS[bytes[at] as number] === 0; ) at++;
      if (bytes[at] !== QUOTE) return 'unusual';
      const column = this.#columnOf(bytes, start, at, expected);
      if (column !== NONE) {
        if (this.#seen[column] === this.#line) return 'unusual';
        this.#seen[column] = this.#line;
        expected = column;
      }
      at = skip(bytes, at + 1);
      if (bytes[at] !== COLON) return 'unusual';
      at = this.#value(bytes, skip(bytes, at + 1), column === NONE ? NONE : base + column);
      if (at < 0) return 'unusual';
      at = skip(bytes, at);
      if (bytes[at] === CLOSING) break;
      if (bytes[at] !== COMMA) return 'unusual';
      at = skip(bytes, at + 1);
    }
    return isEnd(bytes, skip(bytes, at + 1), end) ? 'row' : 'unusual';
  }

  /** The column of a key, most often the one after that before it; NONE where there is none yet. */
  #columnOf(bytes: Buffer, start: number, end: number, expected: number): number {
    const key = this.#keys[expected];
    if (key !== undefined && key.length === end - start) {
      let i = 0;
      while (i < key.length && key[i] === bytes[start + i]) i++;
      if (i === key.length) return expected;
    }
    const name = bytes.toString('utf8', start, end);
    const column = this.#positions.get(name);
    if (column !== undefined) return column;
    this.#fresh.push(name);
    return NONE;
  }

  /** Answers where the value ends, or NONE where it is none. */
  #value(bytes: Buffer, start: number, field: number): number {
    const char = bytes[start] as number;
    if (char === QUOTE) return this.#text(bytes, start + 1, field);
    for (const { word, kind } of WORDS) {
      if (char !== word[0]) continue;
      for (let i = 1; i < word.length; i++) if (bytes[start + i] !== word[i]) return NONE;
      const end = start + word.length;
      if (kind !== FIELD.absent) this.#put(field, start, end, kind);
      return end;
    }
    const end = numberEnd(bytes, start);
    if (end >= 0) this.#put(field, start, end, FIELD.number);
    return end;
  }

  #text(bytes: Buffer, start: number, field: number): number {
    let at = start;
    let escaped = false;
    for (;;) {
      const char = bytes[at] as number;
      if (TEXT_MARKS[char] === 0) at++;
      else if (char === QUOTE) break;
      else if (char === ESCAPE) {
        if (ESCAPES[bytes[at + 1] as number] === 0) return NONE;
        escaped = true;
        at += 2;
      } else return NONE;
    }
    if (escaped && field !== NONE) this.#escaped.push(field);
    this.#put(field, start, at, FIELD.text);
    return at + 1;
  }

  #put(field: number, start: number, end: number, kind: number): void {
    if (field === NONE) return;
    this.starts[field] = start;
    this.ends[field] = end;
    this.kinds[field] = kind;
  }

  /** Answers whether every escape of the text stands for a character. */
  #unescape(bytes: Buffer, field: number): boolean {
    const end = this.ends[field] as number;
    let write = this.starts[field] as number;
    for (let at = write; at < end; ) {
      const char = bytes[at++] as number;
      if (char !== ESCAPE) bytes[write++] = char;
      else if (bytes[at] !== LETTER_U) bytes[write++] = ESCAPES[bytes[at++] as number] as number;
      else {
        const text = unicode(bytes, at + 1);
        if (text === undefined) return false;
        write += bytes.write(text, write);
        at += text.length === 1 ? 5 : 11;
      }
    }
    this.ends[field] = write;
    // What is left over is no part of a character.
    bytes.fill(SPACE, write, end);
    return true;
  }
}

/** The character of four digits, or of two times four; undefined for half of one, and for zero. */
function unicode(bytes: Buffer, at: number): string | undefined {
  const unit = hex(bytes, at);
  if (Number.isNaN(unit) || unit === 0 || (unit & 0xfc00) === 0xdc00) return undefined;
  if ((unit & 0xfc00) !== 0xd800) return String.fromCharCode(unit);
  const escaped = bytes[at + 4] === ESCAPE && bytes[at + 5] === LETTER_U;
  const other = escaped ? hex(bytes, at + 6) : 0;
  return (other & 0xfc00) === 0xdc00 ? String.fromCharCode(unit, other) : undefined;
}

function hex(bytes: Buffer, at: number): number {
  const digits = bytes.toString('latin1', at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
}

function skip(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 32 || bytes[at] === 9) at++;
  return at;
}

/** Whether a line ends here, before `end` perhaps with a carriage return. */
function isEnd(bytes: Buffer, at: number, end: number): boolean {
  return at === end || (at === end - 1 && bytes[at] === 13);
}

function digitsEnd(bytes: Buffer, from: number): number {
  let at = from;
  while ((bytes[at] as number) >= 48 && (bytes[at] as number) <= 57) at++;
  return at;
}

/** Where a number of RFC 8259 ends; NONE where none begins. */
function numberEnd(bytes: Buffer, start: number): number {
  const first = bytes[start] === 45 ? start + 1 : start;
  let at = digitsEnd(bytes, first);
  if (at === first || (bytes[first] === 48 && at > first + 1)) return NONE;
  if (bytes[at] === 46) {
    const point = at + 1;
    at = digitsEnd(bytes, point);
    if (at === point) return NONE;
  }
  if (bytes[at] === 69 || bytes[at] === 101) {
    let power = at + 1;
    if (bytes[power] === 43 || bytes[power] === 45) power++;
    at = digitsEnd(bytes, power);
    if (at === power) return NONE;
  }
  return at;
}
