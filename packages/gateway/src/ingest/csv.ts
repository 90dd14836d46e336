// SPDX-License-Identifier: Apache-2.0
// A CSV scanner, RFC 4180 and no more lenient: fields are bare or quoted, a quote inside a quoted
// field is doubled, lines end with LF, CRLF or CR in any mixture, quoted fields may hold line ends.
// Everything else is an error with its line: guessing would put values into the wrong column. The
// delimiter and the quote are the file's; it may have no quote.
// Invariants: text may be pushed in chunks cut anywhere; memory is bounded by one record.
import { ingestError } from './errors.ts';

/** What divides a file into fields, one character each; null where nothing is quoted. */
export interface CsvMarks {
  readonly delimiter: string;
  readonly quote: string | null;
}

/** A field: `quoted` tells the empty text from the absent value. */
export interface Field {
  readonly text: string;
  readonly quoted: boolean;
}

/** How the records of a file lie in it. */
export interface CsvLayout {
  /** Bits of `LINE_ENDS`, of those outside quotes. */
  readonly lineEnds: number;
  /** Whether a quoted field holds a line end. */
  readonly quotedLineEnds: boolean;
}

export const LINE_ENDS = { lf: 1, cr: 2, crlf: 4 } as const;

/** Takes one record and the number of the line on which it began. */
export type OnRecord = (fields: readonly Field[], line: number) => void;

const MAX_RECORD = 8 << 20;
const LF = 10;
const CR = 13;
/** What no character is. */
const NO_QUOTE = -1;

type State = 'start' | 'bare' | 'quoted' | 'closed';

export class CsvScanner {
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #onRecord: OnRecord;
  #state: State = 'start';
  #fields: Field[] = [];
  /** What of the current field came before the present chunk, or before a doubled quote. */
  #held = '';
  #size = 0;
  #line = 1;
  #recordLine = 1;
  #quoteLine = 1;
  #afterCr = false;
  #lineEnds = 0;
  #quotedLineEnds = false;

  constructor({ delimiter, quote }: CsvMarks, onRecord: OnRecord) {
    this.#delimiter = delimiter.charCodeAt(0);
    this.#quote = quote === null ? NO_QUOTE : quote.charCodeAt(0);
    this.#onRecord = onRecord;
  }

  /** Of what was pushed; whole after the end. */
  get layout(): CsvLayout {
    return { lineEnds: this.#lineEnds, quotedLineEnds: this.#quotedLineEnds };
  }

  push(text: string): void {
    const [delimiter, quote] = [this.#delimiter, this.#quote];
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (this.#afterCr) {
        this.#afterCr = false;
        if (this.#state !== 'quoted') {
          this.#lineEnds |= char === LF ? LINE_ENDS.crlf : LINE_ENDS.cr;
        }
        if (char === LF) {
          if (this.#state !== 'quoted') from = at + 1;
          continue;
        }
      }
      if (this.#state === 'quoted') {
        if (char === quote) {
          this.#held += text.slice(from, at);
          this.#state = 'closed';
        } else if (char === LF || char === CR) {
          this.#quotedLineEnds = true;
          this.#countLine(char);
        }
        continue;
      }
      if (this.#state === 'closed' && char === quote) {
        this.#state = 'quoted';
        from = at;
        continue;
      }
      const ends = char === delimiter || char === LF || char === CR;
      if (ends) {
        this.#endField(this.#state === 'bare' ? text.slice(from, at) : '');
        if (char !== delimiter) {
          if (char === LF) this.#lineEnds |= LINE_ENDS.lf;
          this.#endRecord();
          this.#countLine(char);
          this.#recordLine = this.#line;
        }
        from = at + 1;
      } else if (this.#state === 'start') {
        from = char === quote ? at + 1 : at;
        this.#state = char === quote ? 'quoted' : 'bare';
        this.#quoteLine = this.#line;
      } else if (char === quote || this.#state === 'closed') throw this.#stray();
    }
    if (this.#state === 'bare' || this.#state === 'quoted') this.#held += text.slice(from);
    this.#size += text.length;
    if (this.#size > MAX_RECORD) this.#tooLong();
  }

  /** The end of the file, which also ends a last line that has no line end. */
  end(): void {
    if (this.#afterCr && this.#state !== 'quoted') this.#lineEnds |= LINE_ENDS.cr;
    if (this.#state === 'quoted') {
      const message = `the quote opened on line ${this.#quoteLine} is never closed`;
      throw ingestError('csv-quote-unterminated', message, { details: { line: this.#quoteLine } });
    }
    if (this.#state === 'start' && this.#fields.length === 0) return;
    this.#endField('');
    this.#endRecord();
  }

  #endField(rest: string): void {
    this.#fields.push({ text: this.#held + rest, quoted: this.#state === 'closed' });
    this.#held = '';
    this.#state = 'start';
  }

  #endRecord(): void {
    const fields = this.#fields;
    this.#fields = [];
    this.#size = 0;
    this.#onRecord(fields, this.#recordLine);
  }

  #countLine(char: number): void {
    if (char === CR) {
      this.#line += 1;
      this.#afterCr = true;
    } else if (char === LF) this.#line += 1;
  }

  #stray(): Error {
    const where = `line ${this.#line}, field ${this.#fields.length + 1}`;
    const message =
      `${where}: a quote in the wrong place; quote the field and double the quote, or name ` +
      'another quote, or none, with --quote';
    return ingestError('csv-quote-stray', message, { details: { line: this.#line } });
  }

  // The size counts whole chunks, so ask the record itself before refusing it.
  #tooLong(): void {
    const size = this.#fields.reduce((sum, field) => sum + field.text.length, this.#held.length);
    this.#size = size;
    if (size <= MAX_RECORD) return;
    const message = `the row on line ${this.#recordLine} is longer than ${MAX_RECORD} characters`;
    const unclosed =
      this.#state === 'quoted' ? `; is the quote on line ${this.#quoteLine} closed?` : '';
    throw ingestError('row-too-long', message + unclosed, { details: { line: this.#recordLine } });
  }
}
