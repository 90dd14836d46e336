// SPDX-License-Identifier: Apache-2.0
// Reading and editing one thrift struct by field id. Getters check the wire type and answer
// undefined for an absent field; `required` forms refuse. `edit` replaces named fields and keeps
// the bytes of all others; the result is written with ids ascending.
import { concat, fromUtf8, isCoded, utf8 } from '@cloister/core';
import { joinBytes } from '../bytes.ts';
import { overLimit, parquetError } from '../errors.ts';
import { Cursor, type FieldMarks, MARKS, type RawField, TYPE } from './compact.ts';

/** A value ready to be put into a struct: bytes, also in parts; an integer is encoded then. */
export interface ThriftValue {
  readonly type: number;
  readonly value: Uint8Array | readonly Uint8Array[] | number;
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
    const { marks } = this;
    return Array.from({ length: marks.length / MARKS }, (_, i) => {
      const [id = 0, type = 0, start, end] = marks.slice(i * MARKS, (i + 1) * MARKS);
      return { id, type, value: this.bytes.subarray(start, end) };
    });
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
    const at = this.indexOf(id);
    if (at < 0) return undefined;
    const type = this.marks[at + 1] ?? 0;
    const start = this.marks[at + 2] ?? 0;
    if (type === TYPE.byte) return ((this.bytes[start] ?? 0) << 24) >> 24;
    if (type < TYPE.i16 || type > TYPE.i64) throw this.wrong(id, 'an integer');
    return new Cursor(this.bytes, start).zigzag();
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
    const at = this.indexOf(id);
    if (at < 0) return undefined;
    const type = this.marks[at + 1];
    if (type !== TYPE.true && type !== TYPE.false) throw this.wrong(id, 'a boolean');
    return type === TYPE.true;
  }

  binary(id: number): Uint8Array | undefined {
    const cursor = this.value(id, TYPE.binary, 'a byte string');
    if (cursor === undefined) return undefined;
    const length = cursor.varint();
    return this.bytes.subarray(cursor.at, cursor.at + length);
  }

  text(id: number): string | undefined {
    const value = this.binary(id);
    return value === undefined ? undefined : this.utf8(id, value);
  }

  struct(id: number, name: string): ThriftStruct | undefined {
    const cursor = this.value(id, TYPE.struct, 'a struct');
    return cursor && new ThriftStruct(name, this.bytes, cursor.struct());
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
    const parts = this.editParts(edits);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : joinBytes(parts);
  }

  /** The same in parts, those of the edits among them: row groups of a footer are megabytes. */
  editParts(edits: Edits): Uint8Array<ArrayBuffer>[] {
    const { bytes } = this;
    const marks = ascending(this.marks);
    // Integer keys come in ascending order.
    const changed = Object.keys(edits).map(Number);
    const out = new FieldWriter(boundOf(marks, edits));
    let next = 0;
    for (let at = 0; at < marks.length; at += MARKS) {
      const [id, type, start, end] = [marks[at], marks[at + 1], marks[at + 2], marks[at + 3]];
      if (id === undefined || type === undefined || start === undefined) break;
      for (; (changed[next] ?? Number.POSITIVE_INFINITY) < id; next++) {
        out.put(changed[next] ?? 0, edits[changed[next] ?? 0]);
      }
      if (!(id in edits)) out.copy(id, type, bytes, start, end ?? start);
    }
    for (; next < changed.length; next++) out.put(changed[next] ?? 0, edits[changed[next] ?? 0]);
    return out.parts();
  }

  private list<T>(
    id: number,
    type: number | undefined,
    max: number,
    read: (cursor: Cursor) => T,
  ): T[] | undefined {
    const cursor = this.value(id, TYPE.list, 'a list');
    if (cursor === undefined) return undefined;
    const head = cursor.listHeader();
    const fits =
      type === undefined ? head.type >= TYPE.i16 && head.type <= TYPE.i64 : head.type === type;
    if (!fits && head.size > 0) throw this.wrong(id, `a list of type ${type ?? 'integer'}`);
    if (head.size > max) throw overLimit(`the length of ${this.name}.${id}`, head.size, max);
    return Array.from({ length: head.size }, () => read(cursor));
  }

  /** Where the value of a field begins; all of it is there. */
  private value(id: number, type: number, what: string): Cursor | undefined {
    const at = this.indexOf(id);
    if (at < 0) return undefined;
    if (this.marks[at + 1] !== type) throw this.wrong(id, what);
    return new Cursor(this.bytes, this.marks[at + 2]);
  }

  private utf8(id: number, bytes: Uint8Array): string {
    try {
      return fromUtf8(bytes);
    } catch (error) {
      if (!isCoded(error)) throw error;
      throw this.wrong(id, 'text in UTF-8');
    }
  }

  private wrong(id: number, wanted: string): Error {
    return parquetError('thrift-malformed', `field ${id} of ${this.name} is not ${wanted}`);
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

/** The same marks, by id. */
function ascending(marks: FieldMarks): FieldMarks {
  let last = Number.NEGATIVE_INFINITY;
  let isSorted = true;
  for (let at = 0; at < marks.length; at += MARKS) {
    isSorted &&= (marks[at] ?? 0) > last;
    last = marks[at] ?? 0;
  }
  if (isSorted) return marks;
  const fields = Array.from({ length: marks.length / MARKS }, (_, i) => {
    return marks.slice(i * MARKS, (i + 1) * MARKS);
  });
  return fields.sort(([a = 0], [b = 0]) => a - b).flat();
}

/** Id and type of a field, and an integer, take no more. */
const FIELD_BYTES_MAX = 16;

/** No fewer bytes than the fields and the edits take together. */
function boundOf(marks: FieldMarks, edits: Edits): number {
  let bound = 1;
  for (let at = 0; at < marks.length; at += MARKS) {
    bound += FIELD_BYTES_MAX + (marks[at + 3] ?? 0) - (marks[at + 2] ?? 0);
  }
  for (const id in edits) {
    const value = edits[id]?.value;
    bound += FIELD_BYTES_MAX + (value instanceof Uint8Array ? value.length : 0);
  }
  return bound;
}

/** Structs are written here first, where they fit: most have less than a hundred bytes. */
const scratch = new Uint8Array(4096);

/** Writes the fields of a struct, ids ascending. */
class FieldWriter {
  private readonly out: Uint8Array<ArrayBuffer>;
  private readonly done: Uint8Array<ArrayBuffer>[] = [];
  private start = 0;
  private at = 0;
  private last = 0;

  /** @param bound no fewer bytes than will be written */
  constructor(bound: number) {
    this.out = bound <= scratch.length ? scratch : new Uint8Array(bound);
  }

  put(id: number, field: ThriftValue | undefined): void {
    if (field === undefined) return;
    const { type, value } = field;
    if (typeof value === 'number') {
      this.head(id, type);
      this.at = putVarint(this.out, this.at, zigzagged(value));
    } else if (value instanceof Uint8Array) {
      this.copy(id, type, value, 0, value.length);
    } else {
      this.head(id, type);
      this.cut();
      for (const part of value) this.done.push(part as Uint8Array<ArrayBuffer>);
    }
  }

  copy(id: number, type: number, from: Uint8Array, start: number, end: number): void {
    this.head(id, type);
    const { out } = this;
    if (end - start > SHORT_BYTES) out.set(from.subarray(start, end), this.at);
    else for (let i = start; i < end; i++) out[this.at + i - start] = from[i] ?? 0;
    this.at += end - start;
  }

  /** The struct, with the zero that ends it. */
  parts(): Uint8Array<ArrayBuffer>[] {
    this.out[this.at++] = 0;
    this.cut();
    return this.done;
  }

  private cut(): void {
    const { out, start, at } = this;
    if (at > start)
      this.done.push(out === scratch ? out.slice(start, at) : out.subarray(start, at));
    this.start = at;
  }

  private head(id: number, type: number): void {
    const delta = id - this.last;
    this.last = id;
    this.out[this.at++] = isShort(delta) ? (delta << 4) | type : type;
    if (!isShort(delta)) this.at = putVarint(this.out, this.at, zigzagged(id));
  }
}

/** A loop copies so few bytes faster than a call does. */
const SHORT_BYTES = 64;

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
export function list(type: number, items: readonly Uint8Array[]): ThriftValue {
  const short = items.length < 15;
  const head = Uint8Array.of(((short ? items.length : 15) << 4) | type);
  return {
    type: TYPE.list,
    value: [head, short ? new Uint8Array(0) : varint(items.length), ...items],
  };
}

export function structList(items: readonly Uint8Array[]): ThriftValue {
  return list(TYPE.struct, items);
}

export function textList(items: readonly string[]): ThriftValue {
  return list(
    TYPE.binary,
    items.map((text) => binary(text).value),
  );
}
