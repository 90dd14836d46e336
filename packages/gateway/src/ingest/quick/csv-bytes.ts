// SPDX-License-Identifier: Apache-2.0
// Records of a CSV file as places in its bytes: the grammar of csv.ts for files in UTF-8 that keep
// to it. What does not, and what is rare, is left to that scanner, which says what is wrong and
// where; so this one only has to notice it.
//
// Invariant: only whole records are taken; `end` is how far they go.
import { type CsvMarks, LINE_ENDS } from '../csv.ts';
import { ByteRows, MOST_FIELDS, type Stop } from './byte-rows.ts';
import { FIELD } from './quick-column.ts';

const LF = 10;
const CR = 13;
const SPACE = 32;

export class CsvBytes extends ByteRows {
  lineEnds = 0;
  quotedLineEnds = false;
  /** Whether the last record was a blank line; only blank ones may follow it. */
  blank = false;
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #header: boolean;
  /** What ends a bare field, or is wrong in it. */
  readonly #marks = new Uint8Array(256);
  readonly #highest: number;
  #width = 0;
  #names: string[] = [];
  /** Fields of the record that hold doubled quotes. */
  readonly #doubled: number[] = [];

  constructor({ delimiter, quote, header }: CsvMarks & { readonly header: boolean }) {
    super();
    this.#delimiter = delimiter.charCodeAt(0);
    this.#quote = quote === null ? -1 : quote.charCodeAt(0);
    this.#header = header;
    for (const mark of [this.#delimiter, this.#quote, LF, CR]) if (mark >= 0) this.#marks[mark] = 1;
    this.#highest = this.#marks.lastIndexOf(1);
  }

  get width(): number {
    return this.#width;
  }

  takeNames(): readonly string[] {
    const names = this.#names;
    this.#names = [];
    return names;
  }

  take(bytes: Buffer, from: number, to: number, last: boolean): Stop {
    const { starts, ends, kinds } = this;
    const [delimiter, quote] = [this.#delimiter, this.#quote];
    const [marks, highest] = [this.#marks, this.#highest];
    // Ends every field at the end of the bytes, so that no step asks where they end.
    bytes[to] = LF;
    this.end = from;
    this.rows = 0;
    this.#doubled.length = 0;
    const most = this.mostRows();
    let at = from;
    while (this.rows < most) {
      if (at >= to) return 'empty';
      let field = this.rows * this.#width;
      const first = field;
      const limit = this.#width === 0 ? MOST_FIELDS : field + this.#width;
      let ended = 0;
      do {
        if (field === limit) return 'unusual';
        if (bytes[at] === quote) {
          const end = this.#quoted(bytes, at + 1, to, field);
          if (end < 0) return last ? 'unusual' : 'empty';
          at = end;
        } else {
          const start = at;
          let char = bytes[at] as number;
          while (char > highest || marks[char] === 0) char = bytes[++at] as number;
          starts[field] = start;
          ends[field] = at;
          kinds[field] = FIELD.bare;
        }
        field++;
        ended = bytes[at++] as number;
      } while (ended === delimiter && at <= to);
      if (at > to && !(last && ended === LF)) return last ? 'unusual' : 'empty';
      if (ended === CR) {
        if (at === to && !last) return 'empty';
        if (at === to || bytes[at] !== LF) return 'unusual';
        at++;
        this.lineEnds |= LINE_ENDS.crlf;
      } else if (ended === LF) {
        if (at <= to) this.lineEnds |= LINE_ENDS.lf;
      } else return 'unusual';
      const isBlank =
        field === first + 1 && starts[first] === ends[first] && kinds[first] === FIELD.bare;
      if (isBlank) {
        this.blank = true;
        this.end = Math.min(at, to);
        continue;
      }
      if (this.blank) return 'unusual';
      if (this.#width > 0 && field < limit) return 'unusual';
      for (const doubled of this.#doubled) this.#undouble(bytes, doubled);
      this.#doubled.length = 0;
      if (this.#width === 0) {
        this.#width = field;
        this.#nameColumns(bytes);
        if (this.#header) this.end = Math.min(at, to);
        return 'full';
      }
      this.rows++;
      this.end = Math.min(at, to);
    }
    return 'full';
  }

  /** A field after its quote; answers where it ends, or -1 where its end is not in the bytes. */
  #quoted(bytes: Buffer, start: number, to: number, field: number): number {
    const quote = this.#quote;
    let doubled = false;
    let at = start;
    for (; ; at++) {
      const char = bytes[at] as number;
      if (this.#marks[char] === 0 || char === this.#delimiter) continue;
      if (at >= to) return -1;
      if (char === quote) {
        if (bytes[at + 1] !== quote || at + 1 >= to) break;
        doubled = true;
        at++;
      } else this.quotedLineEnds = true;
    }
    if (doubled) this.#doubled.push(field);
    this.starts[field] = start;
    this.ends[field] = at;
    this.kinds[field] = FIELD.quoted;
    return at + 1;
  }

  #nameColumns(bytes: Buffer): void {
    const { starts, ends } = this;
    this.#names = Array.from({ length: this.#width }, (_, i) =>
      this.#header ? bytes.toString('utf8', starts[i], ends[i]) : `column${i + 1}`,
    );
  }

  #undouble(bytes: Buffer, field: number): void {
    const end = this.ends[field] as number;
    let write = this.starts[field] as number;
    for (let at = write; at < end; at++) {
      const char = bytes[at] as number;
      bytes[write++] = char;
      if (char === this.#quote) at++;
    }
    this.ends[field] = write;
    // What is left over is no part of a character.
    bytes.fill(SPACE, write, end);
  }
}
