// SPDX-License-Identifier: Apache-2.0
// Values of a page, in the usual encodings, from its bytes to pairs at once (parquet-format,
// Encodings.md: PLAIN, the hybrid of runs and packed bits, indexes into a dictionary).
import type { LeafColumn } from '@cloister/parquet-crypto';
import { hashInto } from '../quick/text-hash.ts';
import { PAIR } from './column-trace.ts';
import type { PairForm } from './pair-form.ts';
import { type Pairs, wholeAsDoubles } from './pairs.ts';

/** A column's physical type, the bytes of a value where all have as many, and the form of pairs. */
export interface PageForm {
  readonly physicalType: LeafColumn['physicalType'];
  readonly typeLength: number;
  readonly pairs: PairForm;
}

/** Bytes of a page of which some have been read. Reading past their end throws a RangeError. */
export class PageBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  byte(): number {
    return this.view.getUint8(this.at++);
  }

  uint32(): number {
    this.at += 4;
    return this.view.getUint32(this.at - 4, true);
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new RangeError('a number of too many bytes');
  }
}

/** Reads so many values of so many bits each, in runs or packed, into `out`. */
export function readHybrid(from: PageBytes, bits: number, out: Uint32Array, count: number): void {
  if (bits > 32) throw new RangeError('more bits than a number has');
  const width = Math.ceil(bits / 8);
  for (let at = 0; at < count; ) {
    const head = from.varint();
    if (head % 2 === 0) {
      let value = 0;
      for (let i = 0; i < width; i++) value += from.byte() * 2 ** (8 * i);
      const end = Math.min(count, at + head / 2);
      if (end === at) throw new RangeError('a run of no values');
      out.fill(value, at, end);
      at = end;
    } else {
      const packed = Math.floor(head / 2) * 8;
      const wanted = Math.min(packed, count - at);
      readPacked(from, bits, out.subarray(at, at + wanted));
      // Of the last the bytes that no value needs may be missing.
      from.at += Math.ceil((packed * bits) / 8);
      at += wanted;
    }
  }
}

function readPacked({ bytes, at }: PageBytes, bits: number, out: Uint32Array): void {
  if (at + Math.ceil((out.length * bits) / 8) > bytes.length) {
    throw new RangeError('fewer bytes than values');
  }
  const mask = bits === 32 ? 0xffff_ffff : 2 ** bits - 1;
  let [from, held, word] = [at, 0, 0];
  for (let i = 0; i < out.length; i++) {
    // More than 24 bits and 8 more do not fit the operators' 32.
    if (bits <= 24) {
      for (; held < bits; held += 8) word |= (bytes[from++] as number) << held;
      out[i] = word & mask;
      word >>>= bits;
      held -= bits;
    } else {
      let value = 0;
      const first = i * bits;
      for (let bit = 0; bit < bits; bit++) {
        const place = first + bit;
        const set = ((bytes[at + (place >>> 3)] as number) >>> (place & 7)) & 1;
        value += set * 2 ** bit;
      }
      out[i] = value;
    }
  }
}

/** Values one after another; `rows` says where each belongs, or undefined: in the same order. */
export function readPlain(
  from: PageBytes,
  form: PageForm,
  out: Pairs,
  of: { readonly count: number; readonly rows: Uint32Array | undefined },
): void {
  const { count, rows } = of;
  const { view, bytes } = from;
  const { values, pairs } = out;
  const dividedBy = typeof form.pairs === 'object' ? form.pairs.dividedBy : 1;
  const isUnsigned = form.pairs === 'unsigned';
  const isWhole = form.pairs === 'whole';
  let at = from.at;
  for (let i = 0; i < count; i++) {
    const row = rows === undefined ? i : (rows[i] as number);
    switch (form.physicalType) {
      case 'INT32': {
        const value = isUnsigned ? view.getUint32(at, true) : view.getInt32(at, true);
        values[row] = value / dividedBy;
        at += 4;
        break;
      }
      case 'INT64': {
        const [low, high] = [view.getInt32(at, true), view.getInt32(at + 4, true)];
        if (isWhole) {
          pairs[2 * row] = low;
          pairs[2 * row + 1] = high;
        } else values[row] = (high * 0x1_0000_0000 + (low >>> 0)) / dividedBy;
        at += 8;
        break;
      }
      case 'FLOAT':
        values[row] = view.getFloat32(at, true);
        at += 4;
        break;
      case 'DOUBLE':
        values[row] = view.getFloat64(at, true);
        at += 8;
        break;
      case 'BOOLEAN':
        values[row] = (view.getUint8(at + (i >>> 3)) >>> (i & 7)) & 1;
        break;
      case 'BYTE_ARRAY': {
        const start = at + 4;
        at = start + view.getUint32(at, true);
        if (at > bytes.length) throw new RangeError('a text past the end');
        hashInto(pairs, 2 * row, bytes, start, at);
        break;
      }
      default:
        if (at + form.typeLength > bytes.length) throw new RangeError('a value past the end');
        hashInto(pairs, 2 * row, bytes, at, at + form.typeLength);
        at += form.typeLength;
    }
  }
}

/** Whole numbers of `count` rows become doubles where these keep them; absent rows stay so. */
export function settleWholes(of: Pairs, count: number): void {
  const { pairs, kinds } = of;
  for (let i = 0; i < count; i++) {
    if (kinds[i] === PAIR.absent) pairs[2 * i] = pairs[2 * i + 1] = 0;
  }
  wholeAsDoubles(pairs, count, of);
}
