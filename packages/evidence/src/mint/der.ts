// SPDX-License-Identifier: Apache-2.0
// Writing DER (X.690) for minted certificates and lists: only what they need.
import { concat, utf8 } from '@cloister/core';
import { DEVELOPMENT_ORGANISATION } from '../roots/encode.ts';

/** One element. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const value = concat(...contents);
  const { length } = value;
  if (length < 0x80) return concat(Uint8Array.of(tag, length), value);
  const bytes: number[] = [];
  for (let n = length; n > 0; n = Math.floor(n / 256)) bytes.unshift(n % 256);
  return concat(Uint8Array.of(tag, 0x80 | bytes.length, ...bytes), value);
}

export const seq = (...contents: readonly Uint8Array[]): Uint8Array => der(0x30, ...contents);
export const octets = (value: Uint8Array): Uint8Array => der(0x04, value);
export const bits = (value: Uint8Array): Uint8Array => der(0x03, Uint8Array.of(0), value);
export const derNull = Uint8Array.of(0x05, 0x00);
export const derTrue = Uint8Array.of(0x01, 0x01, 0xff);

/** A non-negative INTEGER from big-endian bytes or a small number. */
export function int(value: number | Uint8Array): Uint8Array {
  let bytes = value instanceof Uint8Array ? value : fromNumber(value);
  while (bytes.length > 1 && bytes[0] === 0) bytes = bytes.subarray(1);
  return der(0x02, (bytes[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0), bytes);
}

function fromNumber(value: number): Uint8Array {
  const out: number[] = [];
  for (let n = value; n > 0; n = Math.floor(n / 256)) out.unshift(n % 256);
  return Uint8Array.from(out.length === 0 ? [0] : out);
}

export function oid(text: string): Uint8Array {
  const [first, second, ...rest] = text.split('.').map(Number) as [number, number, ...number[]];
  const out: number[] = [];
  for (const part of [40 * first + second, ...rest]) {
    const digits = [part % 128];
    for (let n = Math.floor(part / 128); n > 0; n = Math.floor(n / 128)) {
      digits.unshift(0x80 | (n % 128));
    }
    out.push(...digits);
  }
  return der(0x06, Uint8Array.from(out));
}

/** UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5); milliseconds in. */
export function time(ms: number): Uint8Array {
  const text = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return text < '2050' ? der(0x17, utf8(text.slice(2))) : der(0x18, utf8(text));
}

export const ia5 = (text: string): Uint8Array => der(0x16, utf8(text));

/** A Name of organisation and common name. */
export function name(commonName: string, organisation = DEVELOPMENT_ORGANISATION): Uint8Array {
  const attribute = (id: string, text: string): Uint8Array =>
    der(0x31, seq(oid(id), der(0x0c, utf8(text))));
  return seq(attribute('2.5.4.10', organisation), attribute('2.5.4.3', commonName));
}
