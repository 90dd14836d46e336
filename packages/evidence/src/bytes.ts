// SPDX-License-Identifier: Apache-2.0
// A bounded little-endian reader for the packed structures of quotes and reports. Reading past the
// end is `evidence-malformed`, never a RangeError.
import { type EvidenceErrorCode, evidenceError } from './errors.ts';

/** Reads fields one after another; every answer is a view. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  readonly #code: EvidenceErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, what: string, code: EvidenceErrorCode = 'evidence-malformed') {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    this.#code = code;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    if (length > this.left) {
      const message = `${this.#what}: wanted ${length} bytes at ${this.#at}, got ${this.left}`;
      throw evidenceError(this.#code, message);
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** The next bytes without taking them. */
  peek(length: number): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#at + length);
  }

  /** A reader of the next `length` bytes. */
  sub(length: number): FieldReader {
    return new FieldReader(this.bytes(length), this.#what, this.#code);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  u16be(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32be(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64be(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  /** The rest, which may be empty. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** Refuses anything left over. */
  end(): void {
    if (this.left !== 0) {
      const message = `${this.#what}: ${this.left} bytes left over`;
      throw evidenceError('evidence-trailing-bytes', message);
    }
  }
}

export function isZero(bytes: Uint8Array): boolean {
  let all = 0;
  for (const byte of bytes) all |= byte;
  return all === 0;
}
