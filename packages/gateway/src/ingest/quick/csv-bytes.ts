// SPDX-License-Identifier: Apache-2.0
// Records of a CSV file as places in its bytes: the grammar of csv.ts for files in UTF-8 that keep
// to it. What does not, and what is rare, is left to that scanner, which says what is wrong and
// where; so this one only has to notice it.
//
// Invariant: only whole records are taken; `end` is how far they go.
import { type CsvMarks, LINE_ENDS } from '../csv.ts';
import { BATCH_ROWS, type Batch, FIELD } from './quick-column.ts';

const LF = 10;
const CR = 13;
const MOST_FIELDS = 1 << 17;

/** Why no more records were taken. */
export type Stop =
  /** There are no more in the bytes. */
  | 'empty'
  /** The batch is full. */
  | 'full'
  /** Something that the scanner of texts has to look at. */
  | 'unusual';

export class CsvBytes {
  readonly starts = new Int32Array(MOST_FIELDS);
  readonly ends = new Int32Array(MOST_FIELDS);
  readonly kinds = new Uint8Array(MOST_FIELDS);
  /** Where the bytes of whole records end. */
  end = 0;
  rows = 0;
  lineEnds = 0;
  quotedLineEnds = false;
  /** Whether the last record was a blank line; only blank ones may follow it. */
  blank = false;
  readonly #delimiter: number;
  readonly #quote: number;
  /** What ends a bare field, or is wrong in it. */
  readonly #marks = new Uint8Array(256);
  readonly #highest: number;
  #width = 0;
  /** Fields of the record that hold doubled quotes. */
  readonly #doubled: number[] = [];

  constructor({ delimiter, quote }: CsvMarks) {
    this.#delimiter = delimiter.charCodeAt(0);
    this.#quote = quote === null ? -1 : quote.charCodeAt(0);
    for (const mark of [this.#delimiter, this.#quote, LF, CR]) if (mark >= 0) this.#marks[mark] = 1;
    this.#highest = this.#marks.lastIndexOf(1);
  }

  get width(): number {
    return this.#width;
  }

  batch(bytes: Buffer, lossy: boolean): Batch {
    const { starts, ends, kinds, rows } = this;
    return { bytes, starts, ends, kinds, width: this.#width, rows, lossy };
  }

  /**
   * Takes records from `from` on, as many as fit; bytes end at `to`, and one more can be written
   * there. `last`: whether the file ends there. In whole records doubled quotes are made one, in
   * `bytes` itself.
   */
  take(bytes: Buffer, from: number, to: number, last: boolean): Stop {
    const { starts, ends, kinds } = this;
    const [delimiter, quote] = [this.#delimiter, this.#quote];
    const [marks, highest] = [this.#marks, this.#highest];
    // Ends every field at the end of the bytes, so that no step asks where they end.
    bytes[to] = LF;
    this.end = from;
    this.rows = 0;
    this.#doubled.length = 0;
    const most =
      this.#width === 0 ? 1 : Math.min(BATCH_ROWS, Math.floor(MOST_FIELDS / this.#width));
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
      if (this.#width === 0) this.#width = field;
      else if (field < limit) return 'unusual';
      for (const doubled of this.#doubled) this.#undouble(bytes, doubled);
      this.#doubled.length = 0;
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

  #undouble(bytes: Buffer, field: number): void {
    const end = this.ends[field] as number;
    let write = this.starts[field] as number;
    for (let at = write; at < end; at++) {
      const char = bytes[at] as number;
      bytes[write++] = char;
      if (char === this.#quote) at++;
    }
    this.ends[field] = write;
  }
}
