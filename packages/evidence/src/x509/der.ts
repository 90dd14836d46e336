// SPDX-License-Identifier: Apache-2.0
// A strict reader of DER (ITU-T X.690 section 8 and 10): definite lengths in their shortest form,
// low tag numbers, nothing past the end. It reads lazily, never recurses by itself and allocates
// only views, so hostile input costs at most its own length.
//
// Invariant: whatever the bytes, the outcome is a value or `der-malformed`.
import { evidenceError } from '../errors.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: `bytes` is the whole encoding, `value` its contents. */
export interface DerElement {
  readonly tag: number;
  readonly bytes: Uint8Array;
  readonly value: Uint8Array;
}

function bad(what: string): Error {
  return evidenceError('der-malformed', `DER: ${what}`);
}

/** Reads the elements of `bytes` one after another. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Tag of the next element, or -1 at the end. */
  get next(): number {
    return this.#bytes[this.#at] ?? -1;
  }

  /** The next element; `tag`, when given, is required. */
  read(tag?: number): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    const got = bytes[start];
    if (got === undefined) throw bad('ends where an element was wanted');
    if (tag !== undefined && got !== tag) {
      throw bad(`got tag 0x${got.toString(16)}, wanted 0x${tag.toString(16)}`);
    }
    if ((got & 0x1f) === 0x1f) throw bad('has a high tag number');
    let length = bytes[start + 1];
    let from = start + 2;
    if (length === undefined) throw bad('ends inside a header');
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 4) throw bad('has an indefinite or oversized length');
      length = 0;
      for (let i = 0; i < count; i++) {
        const byte = bytes[from++];
        if (byte === undefined) throw bad('ends inside a length');
        length = length * 256 + byte;
      }
      if (length < 0x80 || length < 256 ** (count - 1)) throw bad('has an overlong length');
    }
    const end = from + length;
    if (end > bytes.length) throw bad('has an element that runs past its end');
    this.#at = end;
    return { tag: got, bytes: bytes.subarray(start, end), value: bytes.subarray(from, end) };
  }

  /** The next element if it has `tag`. */
  readIf(tag: number): DerElement | undefined {
    return this.next === tag ? this.read() : undefined;
  }

  /** A reader of the contents of the next element, which must have `tag`. */
  enter(tag: number = TAG.sequence): DerReader {
    return new DerReader(this.read(tag).value);
  }

  /** Refuses anything left over. */
  end(): void {
    if (!this.done) throw bad('has trailing elements');
  }

  oid(): string {
    return oidText(this.read(TAG.oid).value);
  }

  /** Contents of an INTEGER, checked to be in its shortest form. */
  integer(): Uint8Array {
    return integerBytes(this.read(TAG.integer).value);
  }

  /** A non-negative INTEGER or ENUMERATED that fits 32 bits. */
  small(tag: number = TAG.integer): number {
    const value = integerBytes(this.read(tag).value);
    if (value.length > 5 || (value[0] as number) >= 0x80) throw bad('has no small integer');
    let out = 0;
    for (const byte of value) out = out * 256 + byte;
    if (out > 0xffff_ffff) throw bad('has no small integer');
    return out;
  }

  boolean(): boolean {
    const { value } = this.read(TAG.boolean);
    if (value.length !== 1 || (value[0] !== 0 && value[0] !== 0xff)) throw bad('has a bad boolean');
    return value[0] === 0xff;
  }

  /** Contents of a BIT STRING without unused bits. */
  bits(): Uint8Array {
    const { value } = this.read(TAG.bitString);
    if (value[0] !== 0) throw bad('has a bit string with unused bits where none may be');
    return value.subarray(1);
  }

  octets(length?: number): Uint8Array {
    const { value } = this.read(TAG.octetString);
    if (length !== undefined && value.length !== length) {
      throw bad(`got ${value.length} octets, wanted ${length}`);
    }
    return value;
  }

  /** UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5, as milliseconds. */
  time(): number {
    const element = this.read();
    return timeOf(element);
  }
}

/** The one element that fills `bytes` whole. */
export function derRoot(bytes: Uint8Array, tag: number = TAG.sequence): DerReader {
  const outer = new DerReader(bytes);
  const inner = outer.enter(tag);
  outer.end();
  return inner;
}

function integerBytes(value: Uint8Array): Uint8Array {
  const [first, second] = value;
  if (first === undefined) throw bad('has an empty integer');
  if (second !== undefined) {
    if (first === 0 && second < 0x80) throw bad('has an overlong integer');
    if (first === 0xff && second >= 0x80) throw bad('has an overlong integer');
  }
  return value;
}

/** Dotted text of an OBJECT IDENTIFIER's contents. */
export function oidText(value: Uint8Array): string {
  if (value.length === 0 || value.length > 32) throw bad('has an object identifier of bad length');
  const parts: number[] = [];
  let part = 0;
  let fresh = true;
  for (const byte of value) {
    if (fresh && byte === 0x80) throw bad('has an overlong object identifier');
    part = part * 128 + (byte & 0x7f);
    if (part > Number.MAX_SAFE_INTEGER / 128) throw bad('has an oversized object identifier');
    fresh = byte < 0x80;
    if (fresh) {
      parts.push(part);
      part = 0;
    }
  }
  if (!fresh) throw bad('has an unfinished object identifier');
  const first = parts[0] as number;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - 40 * top, ...parts.slice(1)].join('.');
}

const UTC = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;
const GENERALIZED = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

function timeOf(element: DerElement): number {
  const text = String.fromCharCode(...element.value.subarray(0, 16));
  const utc = element.tag === TAG.utcTime;
  if (!utc && element.tag !== TAG.generalizedTime) throw bad('has no time where one was wanted');
  const match = (utc ? UTC : GENERALIZED).exec(text);
  if (match === null || element.value.length > 15) throw bad('has a malformed time');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const full = utc ? (year < 50 ? 2000 + year : 1900 + year) : year;
  const out = Date.UTC(full, month - 1, day, hour, minute, second);
  const back = new Date(out);
  if (
    back.getUTCMonth() !== month - 1 ||
    back.getUTCDate() !== day ||
    back.getUTCHours() !== hour
  ) {
    throw bad('has an impossible time');
  }
  return out;
}
