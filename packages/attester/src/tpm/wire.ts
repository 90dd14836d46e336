// SPDX-License-Identifier: Apache-2.0
// The byte forms of TPM 2.0 commands and responses: big-endian integers, buffers with a 16-bit size
// (TPM2B), password sessions. Reading past the end of a response, or leaving some of it, is
// `tpm-response-malformed`. Source: TPM 2.0 Library part 1, section 18; part 2, section 10.
import { concat } from '@cloister/core';
import { attesterError } from '../errors.ts';

export const none = new Uint8Array(0);
export const u8 = (n: number): Uint8Array => Uint8Array.of(n);
export const u16 = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
export const u32 = (n: number): Uint8Array => concat(u16(n >>> 16), u16(n & 0xffff));
/** A TPM2B: 16-bit size, then the bytes. */
export const sized = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes);

/** Reads the fields of a response one after another; answers are copies. */
export class ResponseReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  bytes(length: number): Uint8Array {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw this.#malformed(`wanted ${length} bytes more, got ${left}`);
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  u8(): number {
    return this.bytes(1)[0] as number;
  }

  u16(): number {
    const [high, low] = this.bytes(2) as unknown as [number, number];
    return high * 256 + low;
  }

  u32(): number {
    return this.u16() * 65_536 + this.u16();
  }

  sized(): Uint8Array {
    return this.bytes(this.u16());
  }

  rest(): Uint8Array {
    return this.bytes(this.#bytes.length - this.#at);
  }

  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw this.#malformed(`${left} bytes are left over`);
  }

  #malformed(how: string) {
    const message = `the TPM's response to ${this.#what} does not parse: ${how}`;
    return attesterError('tpm-response-malformed', message);
  }
}
