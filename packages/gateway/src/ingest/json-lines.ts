// SPDX-License-Identifier: Apache-2.0
// JSON lines, one flat object a line (RFC 8259 grammar), read token by token: numbers keep their
// text, so that long identifiers lose no digit, and a repeated key is an error instead of a silent
// overwrite. Objects and arrays inside an object are refused: a column holds one value.
import { ingestError } from './errors.ts';

/** A value as text; null is an absent value. */
export type JsonField =
  | { readonly kind: 'text' | 'number' | 'boolean'; readonly text: string }
  | { readonly kind: 'null' };

const SPACE = /[ \t]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const MAX_LINE = 8 << 20;

export type OnObject = (fields: ReadonlyMap<string, JsonField>, line: number) => void;

/** Splits chunks into lines and hands over each object; blank lines are skipped. */
export class JsonLinesScanner {
  readonly #onObject: OnObject;
  #held = '';
  #line = 1;

  constructor(onObject: OnObject) {
    this.#onObject = onObject;
  }

  push(text: string): void {
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      this.#take(this.#held + text.slice(from, at));
      this.#held = '';
      this.#line += 1;
      from = at + 1;
    }
    this.#held += text.slice(from);
    if (this.#held.length > MAX_LINE) {
      const message = `line ${this.#line} is longer than ${MAX_LINE} characters`;
      throw ingestError('row-too-long', message, { details: { line: this.#line } });
    }
  }

  end(): void {
    this.#take(this.#held);
    this.#held = '';
  }

  #take(text: string): void {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text;
    if (line.trim() !== '') this.#onObject(parseFlatObject(line, this.#line), this.#line);
  }
}

/** @throws CodedError `json-line-malformed`, `json-nested` */
export function parseFlatObject(text: string, line: number): Map<string, JsonField> {
  const fields = new Map<string, JsonField>();
  let at = 0;
  const fail = (what: string): Error => {
    const message = `line ${line}, character ${at + 1}: ${what}`;
    return ingestError('json-line-malformed', message, { details: { line } });
  };
  const token = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const string = (): string | undefined => {
    if (text[at] !== '"') return undefined;
    const end = stringEnd(text, at);
    if (end === 0) throw fail('a text that is not closed');
    let found: string;
    try {
      found = JSON.parse(text.slice(at, end)) as string;
    } catch {
      throw fail('a text with a bad escape or a control character');
    }
    if (/\p{Surrogate}/u.test(found)) throw fail('a text with half a surrogate pair');
    at = end;
    return found;
  };
  const next = (char: string): boolean => {
    token(SPACE);
    if (text[at] !== char) return false;
    at += 1;
    token(SPACE);
    return true;
  };
  if (!next('{')) throw fail('wanted an object, one a line');
  for (let first = true; !next('}'); first = false) {
    if (!first && !next(',')) throw fail('wanted a comma or the end of the object');
    const name = string();
    if (name === undefined) throw fail('wanted a key in quotes');
    if (!next(':')) throw fail('wanted a colon');
    if (text[at] === '{' || text[at] === '[') {
      const what = 'objects and arrays inside a row are not supported: flatten them into columns';
      const options = { details: { line } };
      throw ingestError('json-nested', `line ${line}: ${what}`, options);
    }
    if (fields.has(name)) throw fail('a key comes twice');
    const field = scalar(token) ?? textField(string());
    if (field === undefined) throw fail('wanted a value');
    fields.set(name, field);
  }
  if (at !== text.length) throw fail('wanted nothing after the object');
  return fields;
}

function scalar(token: (pattern: RegExp) => string | undefined): JsonField | undefined {
  const word = token(WORD);
  if (word === 'null') return { kind: 'null' };
  if (word !== undefined) return { kind: 'boolean', text: word };
  const number = token(NUMBER);
  return number === undefined ? undefined : { kind: 'number', text: number };
}

function textField(text: string | undefined): JsonField | undefined {
  return text === undefined ? undefined : { kind: 'text', text };
}

/** The index after the quote that ends the string which begins at `start`; 0 when none does. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end > 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === '\\') escapes += 1;
    if (escapes % 2 === 0) return end + 1;
  }
  return 0;
}
