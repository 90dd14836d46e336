// SPDX-License-Identifier: Apache-2.0
// Reading and editing one thrift struct by field id. Getters check the wire type and answer
// undefined for an absent field; `required` forms refuse. `edit` replaces named fields and keeps
// the bytes of all others; the result is written with ids ascending.
import { concat, fromUtf8, utf8 } from '@cloister/core';
import { joinBytes } from '../bytes.ts';
import { malformed, overLimit } from '../errors.ts';
import { Cursor, type FieldMarks, MARKS, type RawField, TYPE } from './compact.ts';

/** A value ready to be put into a struct; an integer is encoded when it is. */
export interface ThriftValue {
  readonly type: number;
  readonly value: Uint8Array | number;
}

/** A value of bytes. */
export interface ThriftBytes extends ThriftValue {
  readonly value: Uint8Array;
}

/** Fields to replace; undefined removes the field. */
export type Edits = Readonly<Record<number, ThriftValue | undefined>>;

/** One struct of a message; `name` is used in errors only. */
export class ThriftStruct {
  readonly name: string;
  private readonly bytes: Uint8Array;
  private readonly marks: FieldMarks;

  /** @param marks the fields, as a cursor over `bytes` found them */
  constructor(name: string, bytes: Uint8Array, marks: FieldMarks) {
    this.name = name;
    this.bytes = bytes;
    this.marks = marks;
  }

  /** All fields, in their order on the wire. */
  get fields(): RawField[] {
    const out: RawField[] = [];
    for (let at = 0; at < this.marks.length; at += MARKS) out.push(this.field(at));
    return out;
  }

  private field(at: number): RawField {
    const { marks } = this;
    const [id = 0, type = 0] = [marks[at], marks[at + 1]];
    return { id, type, value: this.bytes.subarray(marks[at + 2], marks[at + 3]) };
  }

  private find(id: number): RawField | undefined {
    const at = this.indexOf(id);
    return at < 0 ? undefined : this.field(at);
  }

  private indexOf(id: number): number {
    for (let at = 0; at < this.marks.length; at += MARKS) if (this.marks[at] === id) return at;
    return -1;
  }

  has(id: number): boolean {
    return this.indexOf(id) >= 0;
  }

  /** An integer of 8, 16, 32 or 64 bits, as a number; beyond 2^52 is refused. */
  int(id: number): number | undefined {
    const field = this.find(id);
    if (field === undefined) return undefined;
    if (field.type === TYPE.byte) return ((field.value[0] ?? 0) << 24) >> 24;
    if (field.type < TYPE.i16 || field.type > TYPE.i64) throw this.wrong(id, 'an integer');
    return new Cursor(field.value).zigzag();
  }

  requiredInt(id: number): number {
    const value = this.int(id);
    if (value === undefined) throw this.wrong(id, 'present');
    return value;
  }

  /** A non-negative integer: sizes, offsets, counts. */
  size(id: number): number | undefined {
    const value = this.int(id);
    if (value !== undefined && value < 0) throw this.wrong(id, 'zero or more');
    return value;
  }

  requiredSize(id: number): number {
    const value = this.size(id);
    if (value === undefined) throw this.wrong(id, 'present');
    return value;
  }

  bool(id: number): boolean | undefined {
    const field = this.find(id);
    if (field === undefined) return undefined;
    if (field.type !== TYPE.true && field.type !== TYPE.false) throw this.wrong(id, 'a boolean');
    return field.type === TYPE.true;
  }

  binary(id: number): Uint8Array | undefined {
    const value = this.raw(id, TYPE.binary, 'a byte string');
    if (value === undefined) return undefined;
    const cursor = new Cursor(value);
    cursor.varint();
    return value.subarray(cursor.at);
  }

  text(id: number): string | undefined {
    const value = this.binary(id);
    return value === undefined ? undefined : this.utf8(id, value);
  }

  struct(id: number, name: string): ThriftStruct | undefined {
    const value = this.raw(id, TYPE.struct, 'a struct');
    return value === undefined ? undefined : parseStruct(name, value);
  }

  structs(id: number, name: string, max: number): ThriftStruct[] | undefined {
    return this.list(id, TYPE.struct, max, (c) => new ThriftStruct(name, c.bytes, c.struct()));
  }

  texts(id: number, max: number): string[] | undefined {
    return this.list(id, TYPE.binary, max, (cursor) => {
      const length = cursor.varint();
      const start = cursor.at;
      cursor.skip(length);
      return this.utf8(id, cursor.bytes.subarray(start, cursor.at));
    });
  }

  ints(id: number, max: number): number[] | undefined {
    return this.list(id, undefined, max, (cursor) => cursor.zigzag());
  }

  /** The exact bytes of each element of a list of structs. */
  rawStructs(id: number, max: number): Uint8Array[] | undefined {
    return this.list(id, TYPE.struct, max, (cursor) => {
      const start = cursor.at;
      cursor.skipStruct(1);
      return cursor.bytes.subarray(start, cursor.at);
    });
  }

  /** This struct with some fields replaced, as bytes. */
  edit(edits: Edits): Uint8Array<ArrayBuffer> {
    const fields: Field[] = this.fields.filter((field) => !(field.id in edits));
    for (const [id, next] of Object.entries(edits)) {
      if (next !== undefined) fields.push({ id: Number(id), type: next.type, value: next.value });
    }
    return encodeFields(fields.sort((a, b) => a.id - b.id));
  }

  private list<T>(
    id: number,
    type: number | undefined,
    max: number,
    read: (cursor: Cursor) => T,
  ): T[] | undefined {
    const value = this.raw(id, TYPE.list, 'a list');
    if (value === undefined) return undefined;
    const cursor = new Cursor(value);
    const head = cursor.listHeader();
    const fits =
      type === undefined ? head.type >= TYPE.i16 && head.type <= TYPE.i64 : head.type === type;
    if (!fits && head.size > 0) throw this.wrong(id, `a list of type ${type ?? 'integer'}`);
    if (head.size > max) throw overLimit(`the length of ${this.name}.${id}`, head.size, max);
    return Array.from({ length: head.size }, () => read(cursor));
  }

  private raw(id: number, type: number, what: string): Uint8Array | undefined {
    const field = this.find(id);
    if (field === undefined) return undefined;
    if (field.type !== type) throw this.wrong(id, what);
    return field.value;
  }

  private utf8(id: number, bytes: Uint8Array): string {
    try {
      return fromUtf8(bytes);
    } catch {
      throw this.wrong(id, 'text in UTF-8');
    }
  }

  private wrong(id: number, wanted: string): Error {
    return malformed('thrift-malformed', `field ${id} of ${this.name} is not ${wanted}`);
  }
}

/**
 * The struct that a sealed module holds. Writers (parquet-java) seal bytes of a serialiser's buffer
 * that lie behind the struct, so what follows it is left aside; a tag has vouched for it.
 * @throws CodedError `thrift-malformed`, `parquet-truncated`
 */
export function parseStruct(name: string, bytes: Uint8Array): ThriftStruct {
  return parseStructPrefix(name, bytes).struct;
}

/** One struct at the beginning of `bytes`, and where it ends. */
export function parseStructPrefix(
  name: string,
  bytes: Uint8Array,
): { struct: ThriftStruct; end: number } {
  const cursor = new Cursor(bytes);
  const struct = new ThriftStruct(name, bytes, cursor.struct());
  return { struct, end: cursor.at };
}

/** A struct of the given fields. */
export function encodeStruct(edits: Edits): Uint8Array<ArrayBuffer> {
  return new ThriftStruct('', new Uint8Array(0), []).edit(edits);
}

/** A field on its way into a struct. */
interface Field extends ThriftValue {
  readonly id: number;
}

function encodeFields(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  let length = 1;
  let last = 0;
  for (const { id, value } of fields) {
    length += 1 + (isShort(id - last) ? 0 : varintLength(zigzagged(id)));
    length += typeof value === 'number' ? varintLength(zigzagged(value)) : value.length;
    last = id;
  }
  // The zero that ends the struct is there already.
  const out = new Uint8Array(length);
  let at = 0;
  last = 0;
  for (const { id, type, value } of fields) {
    const delta = id - last;
    out[at++] = isShort(delta) ? (delta << 4) | type : type;
    if (!isShort(delta)) at = putVarint(out, at, zigzagged(id));
    if (typeof value === 'number') {
      at = putVarint(out, at, zigzagged(value));
    } else {
      out.set(value, at);
      at += value.length;
    }
    last = id;
  }
  return out;
}

/** Whether the distance to the field before fits beside the type. */
function isShort(delta: number): boolean {
  return delta >= 1 && delta <= 15;
}

function putVarint(out: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out[at++] = (rest % 128) | 0x80;
  out[at++] = rest;
  return at;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

function varint(value: number): Uint8Array {
  const out = new Uint8Array(varintLength(value));
  putVarint(out, 0, value);
  return out;
}

function zigzagged(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function i16(value: number): ThriftValue {
  return { type: TYPE.i16, value };
}

export function i32(value: number): ThriftValue {
  return { type: TYPE.i32, value };
}

export function i64(value: number): ThriftValue {
  return { type: TYPE.i64, value };
}

export function bool(value: boolean): ThriftBytes {
  return { type: value ? TYPE.true : TYPE.false, value: new Uint8Array(0) };
}

export function binary(value: Uint8Array | string): ThriftBytes {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  return { type: TYPE.binary, value: concat(varint(bytes.length), bytes) };
}

export function struct(encoded: Uint8Array): ThriftBytes {
  return { type: TYPE.struct, value: encoded };
}

/** A list of encoded elements, all of one wire type. */
export function list(type: number, items: readonly Uint8Array[]): ThriftBytes {
  const short = items.length < 15;
  const head = Uint8Array.of(((short ? items.length : 15) << 4) | type);
  return {
    type: TYPE.list,
    value: joinBytes([head, ...(short ? [] : [varint(items.length)]), joinBytes(items)]),
  };
}

export function structList(items: readonly Uint8Array[]): ThriftBytes {
  return list(TYPE.struct, items);
}

export function textList(items: readonly string[]): ThriftBytes {
  return list(
    TYPE.binary,
    items.map((text) => binary(text).value),
  );
}
