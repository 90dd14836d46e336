// SPDX-License-Identifier: Apache-2.0
// Thrift compact protocol, as far as Parquet metadata needs it, for editing rather than decoding:
// a struct is the list of its fields, each with the exact bytes of its value. Fields that nobody
// names keep their bytes, so metadata of writers newer than this code survives.
//
// Invariants: a value is walked before it is kept, so every kept field is well-formed; depth,
// field counts and list lengths are bounded by constants and by the bytes that are left; values of
// the compact protocol do not depend on their position, so they may be moved as they are.
//
//   field   dddd tttt          id delta 1..15 and type; delta 0: a zigzag varint id follows
//   list    nnnn tttt          size 0..14 and element type; 15: a varint size follows
//   struct  fields, then 00
import { parquetError, truncated } from '../errors.ts';

/** Wire types of the compact protocol. */
export const TYPE = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
  uuid: 13,
} as const;

/** Parquet nests about ten deep. */
const DEPTH_MAX = 32;
/** The largest Parquet struct has 17 fields. */
const FIELDS_MAX = 256;

/** One field of a struct; `value` is its encoding (empty for a boolean, which its type holds). */
export interface RawField {
  readonly id: number;
  readonly type: number;
  readonly value: Uint8Array;
}

/**
 * The fields of one struct in their order on the wire, four numbers each: id, type, and where its
 * value starts and ends. A large file has a hundred thousand fields in memory at once.
 */
export type FieldMarks = readonly number[];
export const MARKS = 4;

/** Reads compact protocol bytes in order; every method throws `parquet-truncated` at the end. */
export class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw truncated('thrift data');
    this.at++;
    return value;
  }

  /** An unsigned varint of at most ten bytes; more than 2^53 loses precision, so callers check. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw parquetError('thrift-malformed', 'a thrift varint has more than ten bytes');
  }

  zigzag(): number {
    const value = this.varint();
    if (value > Number.MAX_SAFE_INTEGER) {
      throw parquetError('thrift-malformed', 'a thrift integer is beyond 2^52');
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  skip(length: number): void {
    if (length > this.bytes.length - this.at) throw truncated('thrift data');
    this.at += length;
  }

  /** A list header; no list is longer than the bytes that are left. */
  listHeader(): { type: number; size: number } {
    const head = this.byte();
    const size = head >> 4 === 15 ? this.varint() : head >> 4;
    if (size > this.bytes.length - this.at) throw truncated('a thrift list');
    return { type: head & 0x0f, size };
  }

  skipValue(type: number, depth: number): void {
    if (depth > DEPTH_MAX) throw parquetError('thrift-malformed', 'thrift data nests too deep');
    if (type === TYPE.byte) this.skip(1);
    else if (type >= TYPE.i16 && type <= TYPE.i64) this.varint();
    else if (type === TYPE.double) this.skip(8);
    else if (type === TYPE.binary) this.skip(this.varint());
    else if (type === TYPE.list || type === TYPE.set) this.skipList(depth);
    else if (type === TYPE.map) this.skipMap(depth);
    else if (type === TYPE.struct) this.skipStruct(depth);
    else if (type === TYPE.uuid) this.skip(16);
    else throw parquetError('thrift-malformed', `thrift type ${type} does not exist`);
  }

  skipList(depth: number): void {
    const { type, size } = this.listHeader();
    const isBool = type === TYPE.true || type === TYPE.false;
    if (isBool) this.skip(size);
    else for (let i = 0; i < size; i++) this.skipValue(type, depth + 1);
  }

  skipMap(depth: number): void {
    const size = this.varint();
    if (size === 0) return;
    if (size > this.bytes.length - this.at) throw truncated('a thrift map');
    const types = this.byte();
    for (let i = 0; i < size; i++) {
      for (const type of [types >> 4, types & 0x0f]) {
        if (type === TYPE.true || type === TYPE.false) this.skip(1);
        else this.skipValue(type, depth + 1);
      }
    }
  }

  skipStruct(depth: number): void {
    for (let id = 0; ; ) {
      const head = this.byte();
      if (head === 0) return;
      id = head >> 4 === 0 ? this.zigzag() : id + (head >> 4);
      const type = head & 0x0f;
      if (type !== TYPE.true && type !== TYPE.false) this.skipValue(type, depth + 1);
    }
  }

  /** The fields of one struct. */
  struct(): FieldMarks {
    const marks: number[] = [];
    for (let id = 0; ; ) {
      const head = this.byte();
      if (head === 0) return marks;
      id = head >> 4 === 0 ? this.zigzag() : id + (head >> 4);
      const type = head & 0x0f;
      const start = this.at;
      if (type !== TYPE.true && type !== TYPE.false) this.skipValue(type, 1);
      if (marks.length === FIELDS_MAX * MARKS || hasField(marks, id)) {
        throw parquetError(
          'thrift-malformed',
          `a thrift struct repeats field ${id} or has too many`,
        );
      }
      if (id < -0x8000 || id > 0x7fff) {
        throw parquetError('thrift-malformed', `thrift field id ${id} is not of 16 bits`);
      }
      marks.push(id, type, start, this.at);
    }
  }
}

function hasField(marks: FieldMarks, id: number): boolean {
  for (let i = 0; i < marks.length; i += MARKS) if (marks[i] === id) return true;
  return false;
}
